//! Failures of the connection itself: refused, filtered, no such name, TLS, cut. What a server says is judged
//! in `wire::errors`.

use super::clients::{chain, too_far};
use super::direct::NotConnected;
use super::resolve::NameError;
use crate::domain::config::Endpoint;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::reach::Reach;
use std::error::Error;
use std::io;
use std::time::Duration;

/// What the client reads of an answer's head at most: hyper's own bounds.
const HEAD_LINES: usize = 100;
const HEAD_LIMIT: u64 = 8192 + 4096 * 100;

/// What an error of the client means. `connect` is the limit that a connection attempt had.
pub fn failure(error: &(dyn Error + 'static), endpoint: &Endpoint, connect: Duration) -> Failure {
    let (connecting, timed_out) = (was_connecting(error), timed_out(error));
    let place = format!("{} port {}", endpoint.host, endpoint.port);
    if let Some(name) = find::<NameError>(error) {
        return name_failure(name);
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return tls_failure(tls, &place);
    }
    if connecting && timed_out {
        return connect_timeout(&place, endpoint.tls, connect);
    }
    let io = find::<io::Error>(error);
    let known = if connecting {
        io.and_then(|io| io_failure(io, endpoint, &place))
    } else {
        io.and_then(|io| lost(io, &place))
    };
    if let Some(failure) = known {
        return failure;
    }
    if let Some(hyper) = find::<hyper::Error>(error) {
        if hyper.is_parse_too_large() {
            return large_head(&place);
        }
        // A banner that is quicker than the request has no predicate of its own.
        let spoke_first = hyper.to_string().contains("unexpected message");
        if hyper.is_parse() || spoke_first {
            let message = format!("what answers on {place} does not speak HTTP");
            return Failure::new(ErrorCode::BadAnswer, Cause::OtherProgram { looks_like: None }, message);
        }
        if hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled() {
            return reset(&place);
        }
    }
    if timed_out {
        return silent(&place, connect);
    }
    // Of an attempt to connect nothing has arrived, whatever stopped it: a firewall may say so in many ways.
    let cause = if connecting { Cause::ConnectTimeout } else { Cause::Other };
    Failure::new(ErrorCode::Network, cause, format!("the connection to {place} failed: {}", chain(error)))
}

/// No connection was there yet.
fn was_connecting(error: &(dyn Error + 'static)) -> bool {
    find::<NotConnected>(error).is_some()
        || find::<hyper_util::client::legacy::Error>(error).is_some_and(hyper_util::client::legacy::Error::is_connect)
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_timeout)
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        || find::<hyper::Error>(error).is_some_and(hyper::Error::is_timeout)
}

/// What an error of a TLS handshake means.
pub fn tls_failure(tls: &rustls::Error, place: &str) -> Failure {
    let detail = tls_words(tls);
    let message = format!("TLS with {place} failed: {detail}");
    let certificate = matches!(tls, rustls::Error::InvalidCertificate(_));
    Failure::new(ErrorCode::Network, Cause::Tls { detail, certificate }, message)
}

pub fn name_failure(error: &NameError) -> Failure {
    match error {
        NameError::Unknown(_) => Failure::new(ErrorCode::Network, Cause::Dns, error.to_string()),
        NameError::Forbidden(address) => too_far(*address),
    }
}

/// What an error of a connection attempt means; `None` when it says nothing known.
pub fn io_failure(error: &io::Error, endpoint: &Endpoint, place: &str) -> Option<Failure> {
    use io::ErrorKind as K;
    let on_localhost = Reach::of_host(&endpoint.host) == Reach::Machine;
    match error.kind() {
        K::ConnectionRefused => Some(refused(place)),
        // `localhost` is tried on both loopbacks; a machine without IPv6 reports the second one missing.
        K::AddrNotAvailable | K::NetworkUnreachable if on_localhost => Some(refused(place)),
        K::HostUnreachable | K::NetworkUnreachable => {
            let message = format!("{place} cannot be reached from here: no route leads there");
            Some(Failure::new(ErrorCode::Network, Cause::ConnectTimeout, message))
        }
        K::TimedOut => Some(Failure::new(
            ErrorCode::Network,
            Cause::ConnectTimeout,
            format!("{place} did not answer the connection attempt"),
        )),
        _ => cut(error, place),
    }
}

/// What an error of a connection that was there means: the same words of the system say another thing than of an
/// attempt to connect, for the request may have arrived.
fn lost(error: &io::Error, place: &str) -> Option<Failure> {
    use io::ErrorKind as K;
    match error.kind() {
        K::TimedOut | K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => {
            let message = format!("the connection to {place} was lost: the network between no longer answers");
            Some(Failure::new(ErrorCode::Network, Cause::Reset, message))
        }
        _ => cut(error, place),
    }
}

fn cut(error: &io::Error, place: &str) -> Option<Failure> {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionReset | K::BrokenPipe | K::UnexpectedEof | K::ConnectionAborted)
        .then(|| reset(place))
}

fn refused(place: &str) -> Failure {
    let message = format!("connection refused: nothing listens on {place}");
    Failure::new(ErrorCode::Network, Cause::Refused, message)
}

/// It speaks HTTP: most often a proxy in between adds cookies or headers of its own.
fn large_head(place: &str) -> Failure {
    let size = HEAD_LIMIT / 1024;
    let message = format!("the head of the answer from {place} has more than {HEAD_LINES} lines or {size} KiB");
    Failure::new(ErrorCode::BadAnswer, Cause::TooLarge { limit_bytes: HEAD_LIMIT }, message)
}

fn reset(place: &str) -> Failure {
    Failure::new(ErrorCode::Network, Cause::Reset, format!("{place} cut the connection before it answered"))
}

/// `tls` is for a limit that held for TLS as well: the connection itself may have been taken.
pub fn connect_timeout(place: &str, tls: bool, limit: Duration) -> Failure {
    let what = if tls { "the connection attempt or the TLS greeting" } else { "the connection attempt" };
    let message = format!("{place} did not answer {what} within {}", time(limit));
    Failure::new(ErrorCode::Timeout, Cause::ConnectTimeout, message)
}

pub fn silent(place: &str, limit: Duration) -> Failure {
    let message = format!("{place} took the connection and sent nothing within {}", time(limit));
    Failure::new(ErrorCode::Timeout, Cause::SilentServer, message)
}

/// A duration in words: `250 ms`, `2 s`, `1.5 s`.
pub fn time(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms < 1000 {
        format!("{ms} ms")
    } else if ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    }
}

fn tls_words(error: &rustls::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    match error {
        E::InvalidMessage(_) => "the server does not speak TLS there: try http://".into(),
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "its certificate has expired".into(),
        E::InvalidCertificate(C::UnknownIssuer) => {
            "its certificate comes from an authority that is not trusted here".into()
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another name".into()
        }
        // webpki's word for a certificate that signed itself.
        E::InvalidCertificate(C::Other(why)) if why.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is self-signed, and nobody trusted here vouches for it".into()
        }
        E::InvalidCertificate(C::Other(_)) => "its certificate is not accepted here".into(),
        other => other.to_string(),
    }
}

/// The first error of a type in the chain, also where an I/O error wraps it.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            // `source` of an I/O error skips the error it wraps.
            if let Some(found) = find::<T>(inner) {
                return Some(found);
            }
        }
        next = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_vanishes_under_a_call_is_no_failed_attempt_to_connect() {
        use io::ErrorKind as K;
        let endpoint = Endpoint::http("192.168.1.20", 1234);
        for kind in [K::TimedOut, K::HostUnreachable, K::NetworkUnreachable] {
            let connecting = io_failure(&kind.into(), &endpoint, "the server").unwrap();
            assert!(connecting.cause.never_arrived(), "{kind}");
            let later = lost(&kind.into(), "the server").unwrap();
            assert_eq!((later.code, &later.cause), (ErrorCode::Network, &Cause::Reset), "{kind}");
            assert!(later.message.contains("was lost"), "{}", later.message);
        }
    }

    #[test]
    fn times_read_as_people_write_them() {
        for (ms, text) in [(250, "250 ms"), (2000, "2 s"), (1500, "1.5 s")] {
            assert_eq!(time(Duration::from_millis(ms)), text);
        }
    }
}
