//! The TLS handshake by itself: its version, and how long the server's certificate is still valid.

use crate::adapters::http::transport;
use crate::domain::config::Endpoint;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// `1.3, certificate valid for 61 days`.
pub(super) async fn shake_hands(endpoint: &Endpoint, stream: TcpStream, limit: Duration) -> Result<String, Failure> {
    let place = format!("{} port {}", endpoint.host, endpoint.port);
    let host = endpoint.host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host)
        .map_err(|_| Failure::plain(ErrorCode::InvalidRequest, format!("{place} is no name for a certificate")))?;
    // Reading the system's certificates blocks.
    let config = tokio::task::spawn_blocking(config).await.ok().flatten();
    let config = config.ok_or_else(|| Failure::plain(ErrorCode::Internal, "TLS cannot be set up on this machine"))?;
    let shaken = timeout(limit, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    match shaken {
        Err(_) => Err(transport::silent(&place, limit)),
        Ok(Ok(stream)) => {
            let (_, connection) = stream.get_ref();
            let version = match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                Some(ProtocolVersion::TLSv1_2) => "1.2",
                _ => "an unknown version",
            };
            let first = connection.peer_certificates().and_then(<[_]>::first);
            Ok(match first.and_then(|certificate| days_left(certificate, UnixTime::now())) {
                Some(1) => format!("{version}, certificate valid for 1 day"),
                Some(days) => format!("{version}, certificate valid for {days} days"),
                None => version.to_owned(),
            })
        }
        Ok(Err(error)) => {
            let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            Err(match refused {
                Some(tls) => transport::tls_failure(tls, &place),
                None => transport::io_failure(&error, endpoint, &place).unwrap_or_else(|| {
                    let detail = error.to_string();
                    let message = format!("TLS with {place} failed: {detail}");
                    Failure::new(ErrorCode::Network, Cause::Tls { detail, certificate: false }, message)
                }),
            })
        }
    }
}

/// Trusts whom the HTTP client trusts: the system, or the bundled authorities where it has none.
fn config() -> Option<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = || ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().ok();
    let builder = builder()?;
    Some(match system(&provider) {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth(),
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    })
}

fn system(provider: &Arc<CryptoProvider>) -> Option<Arc<dyn ServerCertVerifier>> {
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).ok()?;
    Some(Arc::new(verifier))
}

/// Whole days until the certificate expires. It is asked for by the judgement of a far future: the error of
/// an expired certificate tells when it ended.
fn days_left(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<u64> {
    const FAR: Duration = Duration::from_secs(200 * 365 * 86_400);
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let future = UnixTime::since_unix_epoch(FAR);
    let judged = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[],
        &[],
        future,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    );
    match judged {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            Some(not_after.as_secs().saturating_sub(now.as_secs()) / 86_400)
        }
        _ => None,
    }
}
