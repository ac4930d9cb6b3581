//! Tells what answers on a port when it is not the server that was expected: another known server, or a
//! program that speaks before it is asked (SSH, mail, databases).

use super::clients::{is_own_server, literal};
use super::discover::{Identified, identify};
use super::fetch::Asker;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Who speaks first does so at once.
const PATIENCE: Duration = Duration::from_millis(200);

/// A failure of a survey, made finer where another look can tell what really answers there.
pub async fn look_closer(asker: &mut Asker<'_>, failure: Failure) -> Failure {
    match failure.cause {
        Cause::Reset | Cause::OtherProgram { looks_like: None } if speaks_tls(asker).await => {
            let endpoint = &asker.profile.endpoint;
            let message = format!("{} port {} speaks TLS, and the address says http", endpoint.host, endpoint.port);
            Failure::new(ErrorCode::BadAnswer, Cause::SpeaksTls, message)
        }
        Cause::Reset | Cause::OtherProgram { looks_like: None } if asker.first_status.is_none() => {
            unasked_words(asker, failure).await
        }
        Cause::WrongPath { .. } | Cause::HtmlPage | Cause::OtherProgram { .. } | Cause::MalformedList { .. } => {
            known_server(asker, failure).await
        }
        _ => failure,
    }
}

async fn unasked_words(asker: &Asker<'_>, failure: Failure) -> Failure {
    if asker.profile.endpoint.tls || asker.way.proxied {
        return failure;
    }
    match timeout(PATIENCE, first_words(asker)).await {
        Ok(Some(words)) if !words.is_empty() => asker.other_program(Some(&words)),
        _ => failure,
    }
}

async fn known_server(asker: &mut Asker<'_>, failure: Failure) -> Failure {
    let expected = asker.profile.kind;
    if !is_own_server(expected) {
        return failure;
    }
    match timeout(asker.profile.timeouts.probe_timeout, identify(asker)).await {
        Ok(Identified::Server(kind)) if kind != expected => asker.other_program(Some(kind.label())),
        _ => failure,
    }
}

/// A TLS server answers plain text with an alert of its own format: type 21, then the version.
async fn speaks_tls(asker: &Asker<'_>) -> bool {
    if asker.profile.endpoint.tls || asker.way.proxied || asker.first_status.is_some() {
        return false;
    }
    let asking = async {
        let mut stream = connected(asker).await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.ok()?;
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.ok()?;
        Some(head == [21, 3])
    };
    timeout(PATIENCE, asking).await.ok().flatten().unwrap_or(false)
}

async fn connected(asker: &Asker<'_>) -> Option<TcpStream> {
    let endpoint = &asker.profile.endpoint;
    let address = match literal(&endpoint.host) {
        Some(address) => address,
        None => *asker.inner.clients.guarded(asker.way).addresses(&endpoint.host).await.ok()?.first()?,
    };
    TcpStream::connect((address, endpoint.port)).await.ok()
}

async fn first_words(asker: &Asker<'_>) -> Option<String> {
    let mut stream = connected(asker).await?;
    let mut words = [0; 80];
    let length = stream.read(&mut words).await.ok()?;
    let text = String::from_utf8_lossy(words.get(..length)?).into_owned();
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}
