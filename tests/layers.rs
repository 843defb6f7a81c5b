//! The order of the modules: each uses only those below it.
//!
//! The test reads the paths in the text of the source and names the line to change. It does not resolve names: a path in a
//! block comment counts, and a re-export with another name does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// The modules of `shared/src` from the lowest layer to the highest.
const LAYERS: [&str; 6] = ["model", "telemetry", "store", "auth", "runtime", "http"];

/// A use of one module in another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    from: String,
    to: String,
    place: String,
}

#[test]
fn each_layer_of_shared_uses_only_those_below_it() {
    let root = repository().join("shared/src");
    let uses = uses(&root);
    let modules: BTreeSet<&str> = uses.iter().flat_map(|found| [top(&found.from), top(&found.to)]).collect();
    for module in modules {
        assert!(LAYERS.contains(&module), "the module {module} has no layer. To fix this: add it to LAYERS.");
    }
    let layer = |module: &str| LAYERS.iter().position(|layer| *layer == top(module));
    let mut upward = String::new();
    for found in uses.iter().filter(|found| layer(&found.from) < layer(&found.to)) {
        let (from, to) = (top(&found.from), top(&found.to));
        writeln!(upward, "{}: `{from}` uses `{to}`, which is in a layer above it", found.place)
            .expect("a text");
    }
    assert!(
        upward.is_empty(),
        "{upward}\nThe layers of shared/src, from the lowest to the highest: {}.\n\
         To fix this, do one of the following:\n\
         1. Return a type of the lower layer, and convert it in the upper one (errors: `shared/src/http/error.rs`).\n\
         2. Take a value as an argument instead of asking the upper layer for it.\n\
         3. Move the code into the upper layer, or the type that both need into the lower one.",
        LAYERS.join(", ")
    );
}

#[test]
fn no_two_sibling_modules_use_each_other() {
    for source in ["shared/src", "local/src", "bench/src"] {
        let uses = uses(&repository().join(source));
        let cycles = cycles(&uses);
        assert!(
            cycles.is_empty(),
            "{}\nTo fix this, move what both modules need into a third one that both use.",
            cycles.join("\n")
        );
    }
}

/// The beginnings of the string literals that only `store/keys.rs` may contain: prefixes of keys, and the names of key
/// attributes and indexes. (`user_id` is left out, because it is also an attribute of an email claim.)
const KEYS: [&str; 10] = [
    "\"user#",
    "\"email#",
    "\"movie#",
    "\"name#",
    "\"pk\"",
    "\"catalog\"",
    "\"owner\"",
    "\"name_key\"",
    "\"added_by\"",
    "\"token_hash\"",
];

#[test]
fn only_one_module_spells_the_keys_of_the_tables() {
    for file in rust_files(&repository().join("shared/src/store")) {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for key in KEYS.into_iter().filter(|key| code.contains(key)) {
            let place = file.strip_prefix(repository()).expect("a file of the repository").display();
            assert!(
                file.ends_with("store/keys.rs"),
                "{place} spells {key}. To fix this, use a constant or a function of `shared/src/store/keys.rs`."
            );
        }
    }
}

#[test]
fn the_documents_list_the_layers() {
    let library = fs::read_to_string(repository().join("shared/src/lib.rs")).expect("the library");
    let mut modules: Vec<&str> =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut layers = LAYERS;
    modules.sort_unstable();
    layers.sort_unstable();
    assert_eq!(modules, layers);

    let architecture = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("the document");
    for (document, start) in [(library, "//! | "), (architecture, "| ")] {
        let row = |line: &str| {
            let (layer, row) = line.strip_prefix(start)?.split_once(" | ")?;
            let module = row.trim_start_matches(['[', '`']).split('`').next()?.to_owned();
            layer.parse().ok().map(|layer: usize| (layer, module))
        };
        let documented: Vec<(usize, String)> = document.lines().filter_map(row).collect();
        let layer = |(index, module): (usize, &&str)| (index + 1, (*module).to_owned());
        let expected: Vec<_> = LAYERS.iter().enumerate().map(layer).rev().collect();
        assert_eq!(documented, expected);
    }
}

#[test]
fn paths_are_read_in_every_form() {
    let module = ["store".to_owned(), "users".to_owned()];
    for (code, expected) in [
        ("use crate::http::ApiError;", &["http::ApiError"][..]),
        ("use crate::http::*;", &["http"]),
        (
            "use crate::{auth::{self, Hasher}, model::Email as Address};",
            &["auth", "auth::Hasher", "model::Email"],
        ),
        ("use super::item;", &["store::item"]),
        ("use super::super::auth::Hasher;", &["auth::Hasher"]),
        ("fn f() { println!(\"{}\", crate::http::NAME) }", &["http::NAME"]),
        ("mod tests {\n    use super::Users;\n}\n", &["store::users::Users"]),
        (
            "\nmod tests {\n    use super::Users;\n}\nuse super::item;\n",
            &["store::users::Users", "store::item"],
        ),
        ("// use crate::http::ApiError;", &[]),
        ("use shared::http::ApiError;", &[]),
    ] {
        let found: Vec<String> = paths(code, &module).into_iter().map(|(_, path)| path.join("::")).collect();
        assert_eq!(found, expected, "{code}");
    }
}

/// Returns each pair of modules that use each other, directly or through others, with the places.
fn cycles(uses: &[Use]) -> Vec<String> {
    let mut reachable: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for found in uses {
        reachable.entry(&found.from).or_default().insert(&found.to);
    }
    loop {
        let mut grown = reachable.clone();
        for targets in grown.values_mut() {
            let further = targets.iter().filter_map(|target| reachable.get(target)).flatten().copied();
            let further: Vec<&str> = further.collect();
            targets.extend(further);
        }
        if grown == reachable {
            break;
        }
        reachable = grown;
    }
    let returns =
        |found: &&Use| reachable.get(&*found.to).is_some_and(|targets| targets.contains(&*found.from));
    uses.iter()
        .filter(returns)
        .map(|found| format!("{}: `{}` uses `{}`", found.place, found.from, found.to))
        .collect()
}

/// Returns the uses of one module in another one. A module is named by its path in the crate, such as `store::movies`.
///
/// A module and the modules inside it are one unit for the modules outside: if `store::users::deletion` uses `store::item`,
/// then `store::users` uses `store::item`. A type that the parent re-exports counts as a use of the module that has it.
fn uses(root: &Path) -> Vec<Use> {
    let mut uses = BTreeSet::new();
    for file in rust_files(root) {
        let module = module_of(root, &file);
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, target) in paths(&text, &module) {
            if let Some((from, to)) = siblings(&module, &target, root) {
                let file = file.strip_prefix(repository()).expect("a file of the repository");
                uses.insert(Use { from, to, place: format!("{}:{number}", file.display()) });
            }
        }
    }
    uses.into_iter().collect()
}

/// Reduces a use to two different modules with the same parent, or none if one contains the other.
fn siblings(module: &[String], target: &[String], root: &Path) -> Option<(String, String)> {
    let common = module.iter().zip(target).take_while(|(one, other)| one == other).count();
    let (parent, from, name) = (&module[..common], module.get(common)?, target.get(common)?);
    let path = |name: &String| [parent, std::slice::from_ref(name)].concat();
    let to =
        if source(root, &path(name)).is_some() { name.clone() } else { reexported_from(name, parent, root)? };
    (*from != to).then(|| (path(from).join("::"), path(&to).join("::")))
}

/// Returns the child of `parent` from which it re-exports `name`.
fn reexported_from(name: &str, parent: &[String], root: &Path) -> Option<String> {
    let text = fs::read_to_string(source(root, parent)?).expect("a source file");
    let mut child = None;
    for (position, visibility) in text.match_indices("\npub") {
        let rest = &text[position + visibility.len()..];
        let rest = rest.strip_prefix("(crate)").or(rest.strip_prefix("(super)")).unwrap_or(rest);
        let Some(rest) = rest.strip_prefix(" use ") else { continue };
        item(rest, &[], &mut |path| {
            if let [module, .., last] = &path[..]
                && last == name
            {
                child = Some(module.clone());
            }
        });
    }
    child.filter(|child| source(root, &[parent, std::slice::from_ref(child)].concat()).is_some())
}

/// Returns the file of a module; the module without a name is the crate.
fn source(root: &Path, module: &[String]) -> Option<PathBuf> {
    let path = module.iter().fold(root.to_owned(), |folder, name| folder.join(name));
    let files = if module.is_empty() {
        [path.join("lib.rs"), path.join("main.rs")]
    } else {
        [path.with_extension("rs"), path.join("mod.rs")]
    };
    files.into_iter().find(|file| file.is_file())
}

/// Returns the paths of a source text that begin with `crate` or `super`, absolute and with their line numbers. Braces of
/// an import are expanded.
fn paths(text: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
    let mut found = Vec::new();
    for (position, word) in words(&code) {
        let is_start = !code[..position].trim_end().ends_with("::");
        if !is_start || !(word == "crate" || word == "super") {
            continue;
        }
        let mut base = if word == "crate" { Vec::new() } else { module.to_vec() };
        if word == "super" && !in_inline_module(&code[..position]) {
            base.pop();
        }
        let line = code[..position].matches('\n').count() + 1;
        expand(&code[position + word.len()..], base, &mut |path| found.push((line, path)));
    }
    found
}

/// Returns whether a position, given the code before it, is in an inline module, such as `mod tests { … }`. Formatted code
/// closes one with a brace at the start of a line.
fn in_inline_module(before: &str) -> bool {
    before.lines().fold(false, |inside, line| match line {
        "}" => false,
        line => inside || line.starts_with("mod ") && line.ends_with('{'),
    })
}

/// Calls `visit` with each path that continues `base` in `rest`, which begins after `crate` or `super`.
fn expand(rest: &str, base: Vec<String>, visit: &mut impl FnMut(Vec<String>)) {
    let Some(rest) = rest.trim_start().strip_prefix("::") else { return visit(base) };
    let rest = rest.trim_start();
    if let Some(list) = rest.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (position, character) in list.char_indices() {
            match character {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    item(&list[start..position], &base, visit);
                    start = position + 1;
                    if character == '}' {
                        return;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    item(rest, &base, visit);
}

fn item(text: &str, base: &[String], visit: &mut impl FnMut(Vec<String>)) {
    let text = text.trim_start();
    let length =
        text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(length);
    let mut path = base.to_vec();
    match name {
        // A glob, or a trailing comma.
        "" => return visit(path),
        "super" => drop(path.pop()),
        "self" => {}
        name => path.push(name.to_owned()),
    }
    expand(rest, path, visit);
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let mut position = 0;
    std::iter::from_fn(move || {
        let start = position + code[position..].find(is_part)?;
        let length = code[start..].find(|character| !is_part(character)).unwrap_or(code.len() - start);
        position = start + length;
        Some((start, &code[start..position]))
    })
}

fn module_of(root: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root).expect("a file of the crate").with_extension("");
    let names = path.iter().map(|name| name.to_str().expect("UTF-8").to_owned());
    names.filter(|name| !["mod", "lib", "main"].contains(&name.as_str())).collect()
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
