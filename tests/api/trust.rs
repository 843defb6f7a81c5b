//! A function connects only to a database whose certificate comes from a trusted authority.

use std::{net::Ipv4Addr, path::Path, sync::Arc};

use local::runtime_api::{Function, FunctionOptions, Outcome};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto, pki_types::PrivatePkcs8KeyDer},
};

use crate::test_app::{TestApp, get};

/// An authority, and a server with its certificate in front of the database of a system.
struct TlsDatabase {
    /// The authority's certificate.
    root: String,
    endpoint: String,
    _accepting: JoinSet<()>,
}

impl TlsDatabase {
    async fn start(app: &TestApp, caller: &str) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"));
        let authority = authority.expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
        let server = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a server");
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let behind = app.proxy.endpoint_for(caller);
        let behind =
            behind.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
        let behind = behind.0.to_owned();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // A client that does not trust the server closes the connection.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut database = TcpStream::connect(behind).await.expect("the database");
                    let _ = copy_bidirectional(&mut client, &mut database).await;
                });
            }
        });
        let endpoint = format!("https://localhost:{port}/{caller}");
        Self { root: authority.pem(), endpoint, _accepting: accepting }
    }
}

/// Starts `list-movies` with this database and these variables.
async fn start(app: &TestApp, endpoint: &str, variables: &[(&str, &Path)]) -> Function {
    let mut options: FunctionOptions = app.options("list-movies");
    options.environment.retain(|(name, _)| name != "AWS_ENDPOINT_URL_DYNAMODB");
    options.environment.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), endpoint.to_owned()));
    let variables = variables.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string()));
    options.environment.extend(variables);
    Function::start(options).await.expect("a process")
}

/// Returns the status of a list request.
async fn status(app: &TestApp, function: &Function) -> u64 {
    match function.invoke(&app.event(&get("/api/movies")).1).await {
        Outcome::Response(response) => response["statusCode"].as_u64().expect("a status"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn exactly_the_given_roots_are_trusted() {
    let app = TestApp::start_with_json_logs().await;
    let (database, other) =
        (TlsDatabase::start(&app, "list-movies").await, TlsDatabase::start(&app, "list-movies").await);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, content).expect("a file");
        path
    };
    let (right, wrong) = (file("right/root.pem", &database.root), file("wrong/root.pem", &other.root));
    let (right_folder, wrong_folder) = (right.parent().expect("a folder"), wrong.parent().expect("a folder"));
    for (variables, expected) in [
        (vec![("SSL_CERT_FILE", right.as_path())], 200),
        (vec![("SSL_CERT_DIR", right_folder)], 200),
        (vec![("SSL_CERT_FILE", &wrong), ("SSL_CERT_DIR", right_folder)], 200),
        (vec![("SSL_CERT_FILE", &right), ("SSL_CERT_DIR", wrong_folder)], 200),
        (vec![("SSL_CERT_FILE", &wrong)], 503),
        (vec![("SSL_CERT_DIR", wrong_folder)], 503),
        // The system's roots, which do not include this authority.
        (vec![], 503),
    ] {
        app.proxy.clear_calls();
        let function = start(&app, &database.endpoint, &variables).await;
        assert_eq!(status(&app, &function).await, expected, "{variables:?}: {:#?}", function.logs());
        let asked = app.proxy.calls_of("list-movies").len();
        assert_eq!(
            asked,
            usize::from(expected == 200),
            "{variables:?}: an untrusted database gets no request"
        );
    }
}

#[tokio::test]
async fn roots_that_cannot_be_read_stop_a_function_at_start() {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "no certificate").expect("a file");
    std::fs::write(path("broken"), "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n")
        .expect("a file");
    std::fs::create_dir(path("empty")).expect("a folder");
    let unread = "names certificates that cannot be read: ";
    let none = "names no PEM certificates";
    for (name, path, problem) in [
        ("SSL_CERT_FILE", path("missing"), unread),
        ("SSL_CERT_FILE", path("broken"), unread),
        ("SSL_CERT_FILE", path("text"), none),
        ("SSL_CERT_DIR", path("missing"), unread),
        ("SSL_CERT_DIR", path("empty"), none),
    ] {
        let function = start(&app, "https://localhost:1", &[(name, &path)]).await;
        let Err(Outcome::Crashed { status, logs }) = function.ready().await else {
            panic!("{name} = {} is taken", path.display())
        };
        assert_eq!(status, "exit status: 1", "{logs}");
        let expected = format!("Error: cannot start: the environment variable {name} {problem}");
        assert!(logs.starts_with(&expected), "{name} = {}: {logs}", path.display());
        // Without TLS, no certificate is checked.
        let function = start(&app, &app.proxy.endpoint_for("list-movies"), &[(name, &path)]).await;
        assert_eq!(function.ready().await, Ok(()), "{name} = {}", path.display());
    }
}
