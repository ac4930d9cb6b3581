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
    if let Some(failure) = under_another_path(asker).await {
        return failure;
    }
    match timeout(asker.profile.timeouts.probe_timeout, identify(asker)).await {
        Ok(Identified::Server(kind)) if kind != expected => asker.other_program(Some(kind.label())),
        _ => failure,
    }
}

/// The right server, asked under a path that it does not have.
async fn under_another_path(asker: &Asker<'_>) -> Option<Failure> {
    let profile = asker.profile;
    let endpoint = &profile.endpoint;
    let plain = format!("{}/v1", endpoint.origin);
    if endpoint.api_base == plain {
        return None;
    }
    let mut there = profile.clone();
    there.endpoint.api_base = plain;
    let mut other = Asker::new(asker.inner, &there, profile.timeouts.connect.min(profile.timeouts.probe_timeout));
    match timeout(profile.timeouts.probe_timeout, identify(&mut other)).await {
        Ok(Identified::Server(kind)) if kind == profile.kind => {
            let base = endpoint.api_base.strip_prefix(&endpoint.origin).unwrap_or(&endpoint.api_base);
            let path = format!("{base}/models");
            let message = format!("{} is there, and knows no {path}", kind.label());
            Some(Failure::new(ErrorCode::NotFound, Cause::WrongPath { path }, message))
        }
        _ => None,
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
    readable(words.get(..length)?)
}

/// The first run of text: a database greets with a packet that has lengths and zeroes around its name.
fn readable(words: &[u8]) -> Option<String> {
    let runs = words.split(|byte| !(0x20..0x7f).contains(byte));
    let run = runs.map(<[u8]>::trim_ascii).find(|run| run.len() >= 4)?;
    Some(String::from_utf8_lossy(run).into_owned())
}
