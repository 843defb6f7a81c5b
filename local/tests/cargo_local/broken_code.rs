//! Functions whose code is broken while `cargo local` serves them, in a copy of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use hyper::body::Bytes;
use local::{
    environment,
    gateway::{Gateway, HttpRequest},
    runtime_api::{Function, FunctionOptions},
    template::Template,
};
use tokio::time::Instant;

use super::site::{Response, Site};

/// How long a request may wait for its response, whatever is wrong with the function.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long a change may take to have its effect.
const EFFECT: Duration = Duration::from_mins(2);

const LIST: &str = "/api/movies";
const MOVIE: &str = "/api/movies/01890a5d-ac96-774b-bcce-b302099a8057";

/// The functions of the copy: few, so that they build quickly.
const KEPT: [&str; 2] = ["get-movie", "list-movies"];

#[tokio::test]
async fn broken_code_is_reported_within_two_seconds_until_fixed() {
    let workspace = Workspace::copy();
    let site = Site::start(&workspace.root, Some(&workspace.target)).await;
    let worst = Mutex::new(Duration::ZERO);
    let broken = Broken { site: &site, worst: &worst };
    tokio::select! {
        () = broken.request_all_the_time() => {}
        () = scenario(&workspace, &broken) => {}
    }
    let worst = *worst.lock().expect("a duration");
    assert!(worst < LONGEST_WAIT, "a request waited for {worst:?}: {:#?}", site.log());
    site.stop().await;
}

async fn scenario(workspace: &Workspace, broken: &Broken<'_>) {
    let (library, function) = ("shared/src/lib.rs", "functions/get-movie/main.rs");
    broken.until(MOVIE, 404, "movie_not_found").await;

    let (good, time) = workspace.change(library, |code| format!("{code}\nfn projector( {{\n"));
    for (path, name) in [(MOVIE, "get-movie"), (LIST, "list-movies")] {
        let refused = broken.until(path, 502, "function_not_built").await;
        let detail = format!("The function {name} does not build: ");
        broken.says(&refused, &detail);
        broken.says(&refused, "shared/src/lib.rs");
    }
    let log = broken.site.log();
    let errors = log.iter().filter(|line| line.contains("this file contains an unclosed delimiter"));
    let shown = errors.filter(|line| line.starts_with("error")).count();
    assert_eq!(shown, 1, "the compiler's error appears once: {log:#?}");

    // With its earlier time of modification, the earlier build is still valid.
    workspace.write(library, &good, Some(time));
    broken.until(MOVIE, 404, "movie_not_found").await;
    broken.until(LIST, 200, "").await;
    for name in KEPT {
        broken.site.until_logged(&format!("rebuilding {name}…")).await;
        broken.site.until_logged(&format!("{name} is served again")).await;
    }

    let (good, _) = workspace.change(function, |code| {
        let start = "async fn main() -> Result<(), http::Error> {";
        replaced(
            code,
            start,
            "if std::env::args().count() > 0 { eprintln!(\"no film\"); std::process::exit(3) }",
        )
    });
    let refused = broken.until(MOVIE, 502, "function_ended_at_start").await;
    broken.says(&refused, "The function get-movie ended at start (exit status: 3): no film");
    broken.until(LIST, 200, "").await;
    broken.once("The function get-movie ended at start");

    workspace.write(function, &good, None);
    workspace.change(function, |code| {
        let start = "async fn handle(movies: &Movies, request: Request) -> HandlerResult {";
        let acts = "match request.uri().query() {
            Some(\"panic\") => panic!(\"the projector is on fire\"),
            Some(\"exit\") => { dbg!(\"leaving\"); std::process::exit(9) }
            Some(name) => for _ in 0..20 { println!(\"{name} prints\"); eprintln!(\"{name} warns\"); },
            _ => {}
        }";
        replaced(code, start, acts)
    });
    broken.until(MOVIE, 404, "movie_not_found").await;
    let (panic, exit) = (format!("{MOVIE}?panic"), format!("{MOVIE}?exit"));
    broken.until(&panic, 500, "internal").await;
    let beneath = broken.site.beneath("get-movie       500").await;
    let panicked = "ERROR panicked at functions/get-movie/main.rs:";
    assert!(beneath[0].starts_with(panicked), "{beneath:?}");
    assert!(beneath[0].ends_with(": the projector is on fire"), "{beneath:?}");
    assert_eq!(beneath[1..], ["internal: the handler panicked"]);
    a_deployed_function_logs_only_the_place_of_a_panic(workspace, broken.site, &panic).await;
    let refused = broken.until(&exit, 502, "function_ended").await;
    broken.says(&refused, "The function get-movie ended while it handled the request (exit status: 9)");
    let beneath = broken.site.beneath("get-movie       502").await;
    assert!(beneath[0].ends_with("] \"leaving\" = \"leaving\""), "{beneath:?}");
    assert_eq!(beneath[1..], ["ended while it handled the request (exit status: 9)"]);
    broken.until(MOVIE, 404, "movie_not_found").await;
    broken.lines_of_requests_at_once_do_not_mix().await;

    workspace.write(function, &good, None);
    // The new code ignores the query.
    broken.until(&panic, 404, "movie_not_found").await;
}

/// The message of a panic can contain text that a client sent.
async fn a_deployed_function_logs_only_the_place_of_a_panic(workspace: &Workspace, site: &Site, path: &str) {
    let gateway = Gateway::new(&Template::load("../template.yaml").expect("template.yaml is readable"));
    let (_, event) = gateway.event(&HttpRequest::new("GET", path)).expect("a route");
    for format in ["JSON", "Text"] {
        let deployed = [("STAGE", "staging"), ("AWS_LAMBDA_LOG_FORMAT", format)];
        let deployed = deployed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = environment::read(site.environment()).expect("the environment file");
        let function = Function::start(FunctionOptions {
            environment: environment.into_iter().chain(deployed).collect(),
            ..FunctionOptions::new("get-movie", workspace.target.join("debug/get-movie"))
        });
        let (_, lines) = function.await.expect("a function").invoke_with_lines(&event).await;
        let text = lines.join("\n");
        assert!(text.contains("functions/get-movie/main.rs:"), "{format}: {text}");
        assert!(!text.contains("projector"), "{format}: {text}");
    }
}

fn replaced(code: &str, start: &str, then: &str) -> String {
    assert!(code.contains(start), "{start} is in {code}");
    code.replace(start, &format!("{start}\n{then}\n"))
}

struct Broken<'a> {
    site: &'a Site,
    worst: &'a Mutex<Duration>,
}

impl Broken<'_> {
    async fn get(&self, path: &str) -> Response {
        let started = Instant::now();
        let response = self.site.request("GET", path, &[], Bytes::new()).await;
        let mut worst = self.worst.lock().expect("a duration");
        *worst = worst.max(started.elapsed());
        response
    }

    /// Requests both functions forever, in whatever state they are.
    async fn request_all_the_time(&self) {
        loop {
            for path in [MOVIE, LIST] {
                let response = self.get(path).await;
                let (status, code) = (response.status.as_u16(), response.json()["code"].clone());
                assert!([200, 404, 502, 503].contains(&status), "{path}: {response:?}");
                if status >= 500 {
                    let name = if path == MOVIE { "get-movie" } else { "list-movies" };
                    assert!(code.as_str().is_some_and(|code| code.starts_with("function_")), "{response:?}");
                    self.says(&response, name);
                    assert_eq!(response.header("content-type"), Some("application/problem+json"));
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Repeats a request until the response has this status and code.
    async fn until(&self, path: &str, status: u16, code: &str) -> Response {
        let repeated = async {
            loop {
                let response = self.get(path).await;
                let found = response.json()["code"].as_str().unwrap_or_default().to_owned();
                if (response.status.as_u16(), found.as_str()) == (status, code) {
                    return response;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let response = tokio::time::timeout(EFFECT, repeated).await;
        response.unwrap_or_else(|_| panic!("{path} never is {status} {code}: {:#?}", self.site.log()))
    }

    fn says(&self, response: &Response, text: &str) {
        let detail = response.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains(text), "{detail:?} has {text:?}: {:#?}", self.site.log());
    }

    async fn lines_of_requests_at_once_do_not_mix(&self) {
        let names = ["ann", "ben", "cat", "dan"];
        let request = async |name| self.get(&format!("{MOVIE}?{name}")).await;
        let responses = names.map(request);
        futures_util::future::join_all(responses).await;
        self.site.beneath("get-movie       404").await;
        let log = self.site.log();
        for name in names {
            let first =
                log.iter().position(|line| line.ends_with(&format!("{name} prints"))).expect("it printed");
            assert!(log[first - 1].contains("get-movie       404"), "{log:#?}");
            let lines: Vec<_> =
                log[first..first + 40].iter().map(|line| line.trim_start().to_owned()).collect();
            assert_eq!(lines.concat(), format!("{name} prints{name} warns").repeat(20));
            assert_eq!(log[first + 40], "         movie_not_found");
        }
    }

    fn once(&self, text: &str) {
        let log = self.site.log();
        assert_eq!(
            log.iter().filter(|line| line.contains(text)).count(),
            1,
            "{text:?} appears once: {log:#?}"
        );
    }
}

/// A copy of this workspace, and its target directory.
struct Workspace {
    root: PathBuf,
    target: PathBuf,
    _folder: tempfile::TempDir,
}

impl Workspace {
    fn copy() -> Self {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let (root, target) = (folder.path().join("workspace"), folder.path().join("built"));
        fs::create_dir(&root).expect("a folder");
        for name in [
            "Cargo.toml",
            "Cargo.lock",
            "template.yaml",
            "functions",
            "shared",
            "local",
            "models",
            "tests",
            ".cargo",
        ] {
            copy(&original.join(name), &root.join(name), &["-R"]);
        }
        let workspace = Self { root, target, _folder: folder };
        workspace.keep_few_functions();
        workspace.reuse_what_is_built();
        workspace
    }

    fn keep_few_functions(&self) {
        let is_kept = |block: &str| KEPT.iter().any(|name| block.contains(&format!("\"{name}\"")));
        let manifest = self.read("Cargo.toml");
        let mut blocks: Vec<&str> = manifest.split("[[bin]]").collect();
        let last = blocks.pop().expect("functions");
        let (bin, rest) = last.split_once("[[test]]").expect("the tests come last");
        let mut few = blocks.remove(0).to_owned();
        for block in blocks.into_iter().chain([bin]).filter(|block| is_kept(block)) {
            few.push_str("[[bin]]");
            few.push_str(block);
        }
        self.write("Cargo.toml", &format!("{few}[[test]]{rest}"), None);

        let template = self.read("template.yaml");
        let (before, resources) = template.split_once("\nResources:\n").expect("resources");
        let mut few = format!("{before}\nResources:\n");
        for block in blocks_of(resources) {
            let is_function = block.contains("Type: AWS::Serverless::Function");
            let is_mapping = block.contains("Type: AWS::Lambda::EventSourceMapping");
            let is_kept = KEPT.iter().any(|name| block.contains(&format!("/{name}/")));
            if !is_mapping && (!is_function || is_kept) {
                few.push_str(&block);
            }
        }
        self.write("template.yaml", &few, None);
    }

    /// Reuses this workspace's build, which does not depend on the folder. Files that another build does not write are
    /// linked; files that it may write are copied.
    fn reuse_what_is_built(&self) {
        let built = Path::new(env!("CARGO_BIN_EXE_local")).parent().expect("a profile's folder");
        let profile = self.target.join(built.file_name().expect("a name"));
        fs::create_dir_all(profile.join("deps")).expect("a folder");
        copy(&built.join(".fingerprint"), &profile.join(".fingerprint"), &["-R"]);
        copy(&built.join("build"), &profile.join("build"), &["-R"]);
        let ours = ["shared-", "libshared-", "get_movie-", "list_movies-"];
        for entry in fs::read_dir(built.join("deps")).expect("what is built") {
            let entry = entry.expect("an entry");
            let (from, name) = (entry.path(), entry.file_name());
            let to = profile.join("deps").join(&name);
            let text = name.to_string_lossy();
            if text.ends_with(".rcgu.o") {
                // A temporary file of a compiler that another test may run. It may be gone by now.
            } else if ours.iter().any(|ours| text.starts_with(ours)) {
                copy(&from, &to, &[]);
            } else {
                let _ = fs::hard_link(from, to);
            }
        }
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).expect("a file")
    }

    fn write(&self, path: &str, code: &str, modified: Option<SystemTime>) {
        let path = self.root.join(path);
        fs::write(&path, code).expect("a written file");
        if let Some(modified) = modified {
            let file = fs::File::options().write(true).open(&path).expect("a file");
            file.set_modified(modified).expect("a time");
        }
    }

    /// Changes a file. Returns its earlier text and time of modification.
    fn change(&self, path: &str, change: impl FnOnce(&str) -> String) -> (String, SystemTime) {
        let good = self.read(path);
        let metadata = fs::metadata(self.root.join(path)).expect("a file");
        self.write(path, &change(&good), None);
        (good, metadata.modified().expect("a time"))
    }
}

/// Returns the entries of a mapping whose names are indented by two spaces.
fn blocks_of(resources: &str) -> Vec<String> {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in resources.lines() {
        let begins = line.starts_with("  ") && line[2..].starts_with(|letter: char| letter.is_alphanumeric());
        if begins || line.starts_with(|letter: char| letter.is_alphanumeric()) {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().expect("a block");
        block.push_str(line);
        block.push('\n');
    }
    blocks
}

fn copy(from: &Path, to: &Path, options: &[&str]) {
    let copied = Command::new("cp").arg("-p").args(options).arg(from).arg(to).status();
    assert!(copied.expect("cp runs").success(), "{} is copied", from.display());
}
