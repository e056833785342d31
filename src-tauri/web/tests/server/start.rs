use crate::client::{config, start_with};
use crate::fake::Fake;
use anteroom_api::Role;
use anteroom_types::UserFacing as _;
use anteroom_web::{Engine, Passcode, TlsMode, WebConfig, WebStartError, serve};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

async fn refused(config: WebConfig) -> WebStartError {
    let engine: Arc<dyn Engine> = Fake::new(4);
    serve(config, engine, std::future::pending()).await.unwrap_err()
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said_with_what_to_do() {
    let s = start_with(config(), 4).await;
    let in_use = refused(WebConfig {
        listen: s.addr(),
        ..config()
    })
    .await;
    assert_eq!(in_use.code(), "web.port_in_use");
    assert!(
        in_use.hint().contains(&s.addr().port().to_string()),
        "{}",
        in_use.hint()
    );

    let open = refused(WebConfig {
        listen: ([0, 0, 0, 0], 0).into(),
        ..config()
    })
    .await;
    assert_eq!(open.code(), "web.plain_not_loopback");

    let nowhere = refused(WebConfig {
        listen: ([192, 0, 2, 1], 0).into(),
        tls: TlsMode::SelfSigned {
            dir: tempfile::tempdir().unwrap().path().to_owned(),
        },
        ..config()
    })
    .await;
    assert_eq!(nowhere.code(), "web.no_such_address");

    let plain_code = refused(WebConfig {
        passcodes: vec![Passcode {
            user: None,
            role: Role::Admin,
            phc: "hunter2hunter2".into(),
        }],
        ..config()
    })
    .await;
    assert_eq!(plain_code.code(), "web.bad_passcode");
    assert!(!plain_code.to_string().contains("hunter"), "{plain_code}");

    let host = refused(WebConfig {
        allowed_hosts: vec!["https://reception.example".into()],
        ..config()
    })
    .await;
    assert_eq!(host.code(), "web.bad_host");
}

#[tokio::test]
async fn over_tls_with_the_certificate_it_made() {
    let dir = tempfile::tempdir().unwrap();
    let s = start_with(
        WebConfig {
            tls: TlsMode::SelfSigned {
                dir: dir.path().to_owned(),
            },
            ..config()
        },
        4,
    )
    .await;
    assert!(s.web.url().starts_with("https://"));
    assert_eq!(s.web.fingerprint.as_ref().unwrap().len(), 32 * 3 - 1);
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(dir.path().join("web-cert.pem")).unwrap();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    for name in ["localhost", "127.0.0.1"] {
        let stream = TcpStream::connect(s.addr()).await.unwrap();
        let mut stream = connector
            .connect(ServerName::try_from(name).unwrap(), stream)
            .await
            .unwrap();
        let body = format!(r#"{{"code":"{}"}}"#, s.code(Role::Manager));
        let request = format!(
            "POST /api/v1/session HTTP/1.1\r\nHost: {name}:{}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            s.addr().port(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let r = crate::client::Reply::parse(&answer);
        assert_eq!(r.status, 201, "{r:?}");
        assert!(r.headers["set-cookie"].contains("; Secure"));
    }
    // Plain HTTP on the same port gets no answer.
    assert_eq!(s.get("/health", "").await.status, 0);
}
