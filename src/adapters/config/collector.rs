//! Where spans and metrics of calls go: `telemetry.otlp_endpoint`, with the headers that the environment gives, and
//! what holds it back until a person allows it.

use super::endpoint;
use super::findings::{Findings, names_a_secret};
use super::finish::Surroundings;
use super::path::Path;
use crate::domain::config::{Collector, Endpoint, Journey, Severity};
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;
use http::{HeaderName, HeaderValue};

/// Headers for the collector, as OpenTelemetry's own libraries read them: `name=value,name2=value2`.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Whose journey it is, where others are those of providers.
pub const COLLECTOR: &str = "telemetry";
/// What goes there where no key does.
const RECORDS: &str = "a record of each call";
/// The port for the other way of sending, which lmdeck does not speak.
const GRPC_PORT: u16 = 4317;
/// Headers that belong to the transport.
const OWN: [&str; 4] = ["host", "content-type", "content-length", "transfer-encoding"];

/// The collector, where one may be sent to, and the journey a person has to allow first, where there is one. `None`
/// when the configuration names no collector.
pub fn read(around: &Surroundings<'_>, findings: &mut Findings<'_>) -> Option<(Option<Collector>, Option<Journey>)> {
    let place = Path::of("telemetry.otlp_endpoint");
    let written = place.find(&around.expanded.value)?.as_str().filter(|text| !text.trim().is_empty())?;
    let referred = around.expanded.references.get(&place);
    if let Some(name) = referred.into_iter().flat_map(|reference| &reference.names).find(|name| names_a_secret(name)) {
        let said = format!("the collector's address holds {name}, which is a key");
        findings.value(Severity::Error, &place, said, format!("put it into {HEADERS}, as name=value"));
        return None;
    }
    if referred.is_some_and(|reference| !reference.unset.is_empty()) {
        // That a variable is missing has been said; half an address is none.
        return None;
    }
    let endpoint = match endpoint::collector(written) {
        Ok(made) => {
            for note in made.notes {
                let used = format!("{} is used", made.endpoint.api_base);
                findings.value(Severity::Note, &place, note, used);
            }
            made.endpoint
        }
        Err(sentence) => {
            let said = format!("the collector's address: {sentence}");
            findings.value(Severity::Error, &place, said, "it looks like http://127.0.0.1:4318");
            return None;
        }
    };
    if endpoint.port == GRPC_PORT {
        findings.value(
            Severity::Warning,
            &place,
            "port 4317 is where collectors take gRPC, and lmdeck sends over HTTP",
            "write port 4318, where they take HTTP",
        );
    }
    let headers = headers(around, findings);
    let journey = journey(around.folder_chose(&place, None), &endpoint, !headers.is_empty());
    if let Some(journey) = journey.as_ref().filter(|journey| !around.trust.allows(journey)) {
        let why = match (around.unfamiliar, around.folder_chose(&place, None)) {
            (true, _) => "by a file of the working folder that is new here",
            (false, true) => "by the .env of the working folder that is new here",
            (false, false) => "a public host",
        };
        findings.value(
            Severity::Warning,
            &place,
            format!("{} would be sent to {}, {why}, so nothing is exported", journey.variable, endpoint.host),
            "if that is meant: lmdeck config trust",
        );
        return Some((None, Some(journey.clone())));
    }
    Some((Some(Collector { endpoint, headers }), journey))
}

/// What a person must allow: keys to a public host, and whatever the makers of the working folder send off this machine.
fn journey(by_folder: bool, endpoint: &Endpoint, keys: bool) -> Option<Journey> {
    let reach = Reach::of_host(&endpoint.host);
    let asks = if keys { by_folder || !reach.is_local() } else { by_folder && reach != Reach::Machine };
    asks.then(|| Journey {
        provider: COLLECTOR.into(),
        variable: if keys { HEADERS } else { RECORDS }.to_owned(),
        origin: endpoint.origin.clone(),
    })
}

fn headers(around: &Surroundings<'_>, findings: &mut Findings<'_>) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    let parts = around.environment.get(HEADERS).unwrap_or_default().split(',').map(str::trim);
    for (at, part) in parts.enumerate().filter(|(_, part)| !part.is_empty()) {
        match header(part) {
            Some(header) => headers.push(header),
            None => findings.general(
                Severity::Warning,
                format!("{HEADERS}: its part {} is not sent: it is no header of its own as name=value", at + 1),
                "write name=value,name2=value2, and in a value %2C for a comma",
            ),
        }
    }
    headers
}

fn header(part: &str) -> Option<(String, Secret)> {
    let (name, value) = part.split_once('=')?;
    let name = HeaderName::try_from(name.trim()).ok()?;
    let value = percent_decoded(value.trim())?;
    let fits = !OWN.contains(&name.as_str()) && HeaderValue::from_str(&value).is_ok();
    fits.then(|| (name.to_string(), Secret::new(value)))
}

/// `%20` and the like by their characters.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_a_name_and_a_value_with_its_signs_decoded() {
        let read = |part: &str| header(part).map(|(name, value)| (name, value.expose().to_owned()));
        let made = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("Authorization=Basic%20abc%3D%3D"), made("authorization", "Basic abc=="));
        assert_eq!(read("x-team = a=b "), made("x-team", "a=b"));
        for part in ["no-value", "two words=x", "a=%zz", "a=%2", "a=%0A", "content-type=text/plain", "=x"] {
            assert_eq!(read(part), None, "{part}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_variable_holds_it_is_read_or_left(text in "\\PC{0,40}|[a-z=%0-9,]{0,40}") {
            for part in text.split(',') {
                let _ = header(part);
            }
        }
    }
}
