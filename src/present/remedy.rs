//! What to do about a failure: one source of words for the dashboard, the doctor, the command line, the gateway.
//!
//! Made from the cause, the kind and the address, never from the server's own words, so that no key it echoed
//! can come along. What a server, a file or a caller named is escaped, and enters a command only when a shell
//! reads it as one plain word.

mod call;
mod connection;
mod key;
mod server;

pub use call::{of_call, text_of_call};

use super::server_commands::pastes_safely;
use super::{escape, units};
use crate::domain::config::{Endpoint, KeySource, Origin};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use crate::engine::protocol::ProviderView;
use std::borrow::Cow;

/// The longest piece of foreign text inside a sentence, in characters.
const QUOTED: usize = 80;

/// What happened, what to do, and the command that does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// One sentence; ends in a colon when the command is the answer.
    pub headline: String,
    /// Further things to look at, likeliest first; whole sentences.
    pub steps: Vec<String>,
    /// To be typed as it stands, but for words in capitals.
    pub command: Option<String>,
}

impl Remedy {
    fn new(headline: impl Into<String>) -> Self {
        Self { headline: headline.into(), steps: Vec::new(), command: None }
    }

    fn step(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }

    fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// The act alone, for a place with one row: the command where there is one, else the first step.
    pub fn act(&self) -> String {
        match (&self.command, self.steps.first()) {
            (Some(command), _) => command.clone(),
            (None, Some(step)) => step.clone(),
            (None, None) => self.headline.clone(),
        }
    }

    /// What happened and the likeliest thing to do, in one line: the headline with its command, or with the
    /// first step.
    pub fn line(&self) -> String {
        let head = &self.headline;
        match (&self.command, self.steps.first()) {
            (Some(command), _) if head.ends_with(':') => format!("{head} {command}"),
            (Some(command), Some(step)) => format!("{head} {}: {command}", step.trim_end_matches('.')),
            (Some(command), None) => format!("{head} {command}"),
            (None, Some(step)) => format!("{head} {step}"),
            (None, None) => head.clone(),
        }
    }

    /// Everything as running text: headline, command, steps.
    pub fn text(&self) -> String {
        let mut out = self.headline.clone();
        if let Some(command) = &self.command {
            out.push(' ');
            out.push_str(command);
        }
        for step in &self.steps {
            out.push_str(if out.ends_with(['.', ':', '?']) { " " } else { ". " });
            out.push_str(step);
        }
        out
    }
}

/// What a failure is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Empty for a provider that is not saved yet.
    pub id: &'a str,
    pub kind: Kind,
    pub endpoint: &'a Endpoint,
    pub key: &'a KeySource,
    /// A model it is about, or one the provider has.
    pub model: Option<&'a str>,
    pub origin: Origin,
}

impl<'a> Subject<'a> {
    pub fn of(view: &'a ProviderView) -> Self {
        let model = view.named_models.first().or_else(|| view.models.iter().find(|m| m.chat).map(|m| &m.id));
        Self {
            id: view.id.as_str(),
            kind: view.kind,
            endpoint: &view.endpoint,
            key: &view.key_source,
            model: model.map(crate::domain::ids::ModelId::as_str),
            origin: view.origin,
        }
    }

    /// A provider being typed into a form.
    pub fn draft(kind: Kind, endpoint: &'a Endpoint, key: &'a KeySource) -> Self {
        Self { id: "", kind, endpoint, key, model: None, origin: Origin::Providers }
    }

    pub fn with_model(self, model: Option<&'a str>) -> Self {
        Self { model: model.or(self.model), ..self }
    }

    /// Whether the server runs on another machine: told by the address, since nothing was connected perhaps.
    fn elsewhere(&self) -> bool {
        Reach::of_host(&self.endpoint.host) != Reach::Machine
    }

    fn host(&self) -> Cow<'_, str> {
        escape::line_capped(&self.endpoint.host, QUOTED)
    }

    /// The server inside a sentence: `LM Studio`, or `the server` where the kind is only a format.
    fn who(&self) -> &'static str {
        if self.kind == Kind::OpenaiCompatible { "the server" } else { self.kind.label() }
    }

    /// The same at a sentence's beginning.
    fn who_first(&self) -> &'static str {
        if self.kind == Kind::OpenaiCompatible { "The server" } else { self.kind.label() }
    }

    /// The documented address of a vendor, where the present one is another.
    fn documented(&self) -> Option<&'static str> {
        let documented = self.kind.default_endpoint().filter(|_| self.kind.is_vendor())?;
        let host = self.endpoint.host.as_str();
        (!self.kind.vendor_hosts().contains(&host)).then_some(documented)
    }

    /// `192.168.1.20 port 8080`.
    fn at(&self) -> String {
        format!("{} port {}", self.host(), self.endpoint.port)
    }

    fn host_in_command(&self) -> &str {
        if pastes_safely(&self.endpoint.host) { &self.endpoint.host } else { "HOST" }
    }

    fn id_in_command(&self) -> &str {
        if self.id.is_empty() || !pastes_safely(self.id) { "ID" } else { self.id }
    }

    /// What is being typed, was only found, or comes from the environment stands in no file that could be edited.
    fn in_a_file(&self) -> bool {
        !self.id.is_empty() && !matches!(self.origin, Origin::Discovery | Origin::Environment)
    }

    /// A verb that changes this provider, or adds it as it stands in the form.
    fn edit(&self, fields: &str) -> String {
        if self.in_a_file() {
            return format!("lmdeck providers edit {} {fields}", self.id_in_command());
        }
        let origin = &self.endpoint.origin;
        let usual = self.kind.default_endpoint() == Some(origin.as_str());
        let address = if usual || fields.contains("--endpoint ") || !pastes_safely(origin) {
            String::new()
        } else {
            format!("--endpoint {origin} ")
        };
        format!("lmdeck providers add --type {} {address}{fields}", self.kind.word())
    }

    fn test_command(&self) -> String {
        if self.id.is_empty() {
            return self.set_endpoint(&self.endpoint.origin);
        }
        format!("lmdeck providers test {}", self.id_in_command())
    }

    fn set_endpoint(&self, url: &str) -> String {
        self.edit(&format!("--endpoint {}", if pastes_safely(url) { url } else { "URL" }))
    }

    /// How a time-out of this provider is raised; the original's sections know one time for all.
    fn raise(&self, key: &str, seconds: u64) -> String {
        match (self.origin, self.kind) {
            (Origin::Section, Kind::LmStudio) => format!("lmdeck config set lm_studio.timeout {seconds}"),
            (Origin::Section, _) => format!("lmdeck config set performance.request_timeout {seconds}"),
            // What was only found, or comes from the environment, stands in no file yet: saving it comes first.
            (Origin::Discovery | Origin::Environment, kind) => {
                format!("lmdeck providers add --type {kind} --endpoint {}", self.endpoint.origin)
            }
            _ => format!("lmdeck config set providers.{}.{key} {seconds}", self.id_in_command()),
        }
    }

    /// The same server with TLS.
    fn tls_origin(&self) -> String {
        self.endpoint.origin.replacen("http://", "https://", 1)
    }

    /// The same server without TLS.
    fn plain_origin(&self) -> String {
        self.endpoint.origin.replacen("https://", "http://", 1)
    }

    /// The address this server is likely to answer at.
    fn likely_endpoint(&self) -> String {
        let origin = &self.endpoint.origin;
        match self.kind.default_endpoint() {
            Some(documented) if self.kind.is_vendor() => documented.to_owned(),
            Some(_) => origin.clone(),
            None => format!("{origin}/v1"),
        }
    }

    /// The same, where it is another one than the present: with and without `/v1` is the same address.
    fn better_endpoint(&self) -> Option<String> {
        let base = |url: &str| {
            let url = url.trim_end_matches('/');
            url.strip_suffix("/v1").unwrap_or(url).to_owned()
        };
        let likely = self.likely_endpoint();
        (base(&likely) != base(&self.endpoint.api_base)).then_some(likely)
    }
}

/// What to do about `failure`.
pub fn remedy(failure: &Failure, subject: &Subject<'_>) -> Remedy {
    match &failure.cause {
        Cause::Other => by_code(failure, subject),
        Cause::PlanUsedUp => {
            let wait = failure.retry_after_ms.map(|ms| format!("for another {}", units::duration(ms)));
            server::plan_used_up(subject, wait.as_deref())
        }
        // A refusal of the request and a busy server are no faults to look for in a log.
        Cause::ServerError { .. } if matches!(failure.code, ErrorCode::InvalidRequest | ErrorCode::Overloaded) => {
            by_code(failure, subject)
        }
        cause => by_cause(cause, subject),
    }
}

/// What it means that an account's plan is used up, and until when.
pub fn plan_used_up(subject: &Subject<'_>, until: &str) -> Remedy {
    server::plan_used_up(subject, Some(&format!("until {until}")))
}

/// What to do about something a connection test warns of.
pub fn caution(cause: &Cause, subject: &Subject<'_>) -> Remedy {
    by_cause(cause, subject)
}

fn by_cause(cause: &Cause, subject: &Subject<'_>) -> Remedy {
    match cause {
        Cause::Refused => connection::refused(subject),
        Cause::ConnectTimeout => connection::filtered(subject),
        Cause::Dns => connection::no_name(subject),
        Cause::Tls { detail, certificate } => connection::tls(subject, detail, *certificate),
        Cause::Reset => connection::reset(subject),
        Cause::SilentServer => connection::silent(subject),
        Cause::Redirect { to } => connection::redirect(subject, to),
        Cause::WrongReach { address } => connection::wrong_reach(subject, address),
        Cause::WrongPath { path } => connection::wrong_path(subject, path),
        Cause::HtmlPage => connection::web_page(subject),
        Cause::OtherProgram { looks_like } => connection::other_program(subject, looks_like.as_deref()),
        Cause::KeyRefused { status } => key::refused(subject, *status),
        Cause::KeyMissing { variable } => key::missing(subject, variable.as_deref()),
        Cause::KeyWithheld { host } => key::withheld(subject, host),
        Cause::FirstTokenTimeout => server::first_token(subject),
        Cause::IdleTimeout => server::idle(subject),
        Cause::Deadline => server::deadline(),
        Cause::MalformedList { detail } => server::malformed_list(subject, detail),
        Cause::NoModelLoaded => server::no_model(subject),
        Cause::JitOff => server::jit_off(subject),
        Cause::UnknownModel { offered } => server::unknown_model(subject, offered),
        Cause::ModelCrashed => server::crashed(subject),
        Cause::ServerError { status } => server::failed(subject, *status),
        Cause::CutOff => server::cut_off(subject),
        Cause::TooLarge { limit_bytes } => server::too_large(subject, *limit_bytes),
        Cause::BoundElsewhere { host, port } => connection::bound_elsewhere(subject, host, *port),
        Cause::SpeaksTls => connection::speaks_tls(subject),
        Cause::StillLoading => server::still_loading(subject),
        Cause::OtherModel { asked, answered } => server::other_model(subject, asked, answered),
        Cause::ResponseFormat => server::response_format(subject),
        Cause::PlanUsedUp => server::plan_used_up(subject, None),
        Cause::NotSayable => server::not_sayable(subject),
        Cause::Other => Remedy::new(format!("{} failed in a way lmdeck has no name for.", subject.who_first()))
            .step("lmdeck logs has the details.")
            .command(subject.test_command()),
    }
}

fn by_code(failure: &Failure, subject: &Subject<'_>) -> Remedy {
    let (who, who_first) = (subject.who(), subject.who_first());
    match failure.code {
        ErrorCode::Auth => key::refused(subject, 401),
        ErrorCode::RateLimit => {
            let wait = failure
                .retry_after_ms
                .map_or_else(|| "a while".to_owned(), |ms| format!("another {}", units::duration(ms)));
            Remedy::new(format!("{who_first} takes no more calls for {wait}: its rate limit is reached."))
                .step("Calls go to the next target of their order meanwhile; which that is: lmdeck routes explain.")
        }
        ErrorCode::Quota => key::no_credit(subject)
            .step("Waiting does not help. Until then another target can take the work: lmdeck models use TARGET."),
        ErrorCode::ContextLength => Remedy::new("The prompt is longer than the model's context.")
            .step("Shorten it, or choose a model with a larger context: lmdeck models list shows them."),
        ErrorCode::ModelLoadFailed => server::load_failed(subject),
        ErrorCode::NotFound => server::unknown_model(subject, &[]),
        ErrorCode::Overloaded => Remedy::new(format!("{who_first} is busy: all its places are taken.")).step(
            "It is tried again by itself. A second target takes the overflow: lmdeck routes order TYPE TARGET TARGET.",
        ),
        ErrorCode::Upstream => server::failed(subject, 502),
        ErrorCode::EmptyAnswer => Remedy::new("The model answered nothing.")
            .step("Often its loaded context is too small for the prompt, or max_tokens is used up by its reasoning.")
            .command(subject.test_command()),
        ErrorCode::BadAnswer => Remedy::new(format!("What came is no answer of {}.", subject.kind.label()))
            .step("Is its kind right, and is it as new as its clients expect? Its own log may say more.")
            .command(subject.test_command()),
        other => {
            let class = other.class();
            Remedy::new(format!("The call to {who} failed: {}.", super::reason::code_words(other)))
                .step(sentence(class.advice))
        }
    }
}

/// A piece of text as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain((!text.ends_with('.')).then_some('.')).collect()
}

/// Foreign text inside a sentence.
fn quoted(text: &str) -> Cow<'_, str> {
    escape::line_capped(text, QUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::ErrorCode;
    use crate::domain::ids::ModelId;

    pub(super) fn endpoint(kind: Kind, host: &str, port: u16) -> Endpoint {
        let scheme = if kind.is_vendor() { "https" } else { "http" };
        let origin = format!("{scheme}://{host}:{port}");
        Endpoint {
            written: origin.clone(),
            api_base: format!("{origin}/v1"),
            origin,
            host: host.into(),
            port,
            tls: kind.is_vendor(),
        }
    }

    const SECRET: &str = "sk-lm-AAAABBBB:CCCCDDDDEEEEFFFF";

    fn every_cause() -> Vec<Cause> {
        vec![
            Cause::Refused,
            Cause::ConnectTimeout,
            Cause::Dns,
            Cause::Tls { detail: "certificate has expired".into(), certificate: true },
            Cause::Tls { detail: "the server does not speak TLS there".into(), certificate: false },
            Cause::Reset,
            Cause::SilentServer,
            Cause::FirstTokenTimeout,
            Cause::IdleTimeout,
            Cause::Deadline,
            Cause::KeyRefused { status: 401 },
            Cause::KeyRefused { status: 403 },
            Cause::KeyMissing { variable: Some("OPENAI_API_KEY".into()) },
            Cause::KeyMissing { variable: None },
            Cause::KeyWithheld { host: "api.z-ai.com".into() },
            Cause::WrongPath { path: "/v1/v1/models".into() },
            Cause::HtmlPage,
            Cause::OtherProgram { looks_like: Some("Ollama".into()) },
            Cause::OtherProgram { looks_like: None },
            Cause::MalformedList { detail: "data is not a list".into() },
            Cause::NoModelLoaded,
            Cause::JitOff,
            Cause::UnknownModel { offered: vec!["qwen3-32b".into()] },
            Cause::UnknownModel { offered: Vec::new() },
            Cause::ModelCrashed,
            Cause::ServerError { status: 500 },
            Cause::CutOff,
            Cause::TooLarge { limit_bytes: 32 << 20 },
            Cause::Redirect { to: format!("https://user:{SECRET}@login.example/x?token={SECRET}") },
            Cause::WrongReach { address: "203.0.113.9".into() },
            Cause::Other,
            Cause::BoundElsewhere { host: "127.0.0.1".into(), port: 1235 },
            Cause::SpeaksTls,
            Cause::StillLoading,
            Cause::OtherModel { asked: "a".into(), answered: "b".into() },
            Cause::ResponseFormat,
            Cause::PlanUsedUp,
            Cause::NotSayable,
        ]
    }

    /// Something a person can act on: a command, a key or menu, or a place.
    fn names_an_act(text: &str) -> bool {
        const ACTS: [&str; 24] = [
            "lmdeck ",
            "lms ",
            "llama-server",
            "ollama ",
            "vllm ",
            "ping ",
            "curl ",
            "nslookup ",
            "ssh ",
            "export ",
            "lsof ",
            "journalctl",
            "Developer >",
            "--host",
            "firewall",
            "log",
            "max_tokens",
            "address",
            "file",
            "context",
            ".com",
            "limits.",
            "calls",
            "account",
        ];
        ACTS.iter().any(|act| text.contains(act))
    }

    #[test]
    fn an_address_that_is_right_already_is_never_the_advice() {
        for kind in Kind::ALL {
            let endpoint = match kind.default_endpoint().filter(|_| kind.is_vendor()) {
                Some(documented) => Endpoint { api_base: documented.into(), ..endpoint(kind, "api.example", 443) },
                None => endpoint(kind, "127.0.0.1", 8080),
            };
            let key = KeySource::None;
            let subject = Subject { id: "p", ..Subject::draft(kind, &endpoint, &key) };
            for cause in [Cause::WrongPath { path: "/v1/models".into() }, Cause::HtmlPage] {
                let said = caution(&cause, &subject).text();
                assert!(!said.contains("--endpoint"), "{kind}: {said}");
                assert!(said.contains("lsof ") || said.contains("curl "), "{kind}: {said}");
            }
        }
        let doubled = Endpoint {
            api_base: "http://127.0.0.1:8080/v1/v1".into(),
            ..endpoint(Kind::OpenaiCompatible, "127.0.0.1", 8080)
        };
        let subject = Subject { id: "p", ..Subject::draft(Kind::OpenaiCompatible, &doubled, &KeySource::None) };
        let said = caution(&Cause::WrongPath { path: "/v1/v1/models".into() }, &subject).text();
        assert!(said.contains("lmdeck providers edit p --endpoint http://127.0.0.1:8080/v1"), "{said}");
    }

    #[test]
    fn a_server_that_speaks_tls_is_never_said_to_speak_plain_http() {
        let endpoint = Endpoint { tls: true, ..endpoint(Kind::LlamaCpp, "192.168.1.20", 8443) };
        let subject = Subject { id: "p", ..Subject::draft(Kind::LlamaCpp, &endpoint, &KeySource::None) };
        let said = |certificate| caution(&Cause::Tls { detail: "it is so".into(), certificate }, &subject).text();
        assert!(said(true).contains("SSL_CERT_FILE=") && !said(true).contains("--endpoint"), "{}", said(true));
        assert!(said(false).contains("--endpoint http://192.168.1.20:8443"), "{}", said(false));
    }

    #[test]
    fn a_rate_limit_says_for_how_long() {
        let endpoint = endpoint(Kind::Openai, "api.openai.com", 443);
        let subject = Subject::draft(Kind::Openai, &endpoint, &KeySource::None);
        let failure = Failure::plain(ErrorCode::RateLimit, "slow down");
        assert!(remedy(&failure, &subject).headline.contains("no more calls for a while:"));
        let failure = failure.retry_after(Some(std::time::Duration::from_secs(77)));
        assert!(remedy(&failure, &subject).headline.contains("no more calls for another 1 min 17 s:"));
    }

    #[test]
    fn every_cause_of_every_kind_says_what_happened_and_what_to_do_and_no_secret() {
        let keys = [
            KeySource::None,
            KeySource::Variable { name: "OPENAI_API_KEY".into() },
            KeySource::File { tail: Some("41c9".into()) },
        ];
        for kind in Kind::ALL {
            for host in ["127.0.0.1", "192.168.1.20", "models.example.org"] {
                let endpoint = endpoint(kind, host, 8080);
                for key in &keys {
                    let subject = Subject::draft(kind, &endpoint, key);
                    for cause in every_cause() {
                        let failure = Failure::new(ErrorCode::Network, cause, format!("echoed {SECRET}"));
                        let remedy = remedy(&failure, &subject);
                        let text = remedy.text();
                        let about = format!("{kind} {host} {:?}: {text}", failure.cause);
                        assert!(remedy.headline.len() > 10 && remedy.headline.ends_with(['.', ':']), "{about}");
                        assert!(!remedy.headline.ends_with(':') || remedy.command.is_some(), "{about}");
                        assert!(remedy.steps.iter().all(|step| step.ends_with(['.', '?'])), "{about}");
                        assert!(remedy.command.is_some() || !remedy.steps.is_empty(), "{about}");
                        assert!(names_an_act(&remedy.act()) || names_an_act(&text), "{about}");
                        assert!(!text.contains("AAAABBBB") && !text.contains("CCCCDDDD"), "{about}");
                        assert!(!text.contains('!') && !text.to_lowercase().contains("please"), "{about}");
                        assert!(!super::super::reason::short(&failure).contains("AAAABBBB"), "{about}");
                        assert!(super::super::reason::note(&failure).len() <= 9, "{about}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_class_of_error_without_a_cause_says_what_to_do() {
        let endpoint = endpoint(Kind::Openai, "api.openai.com", 443);
        for code in ErrorCode::ALL {
            let remedy =
                remedy(&Failure::plain(code, SECRET), &Subject::draft(Kind::Openai, &endpoint, &KeySource::None));
            assert!(remedy.headline.len() > 5 && (remedy.command.is_some() || !remedy.steps.is_empty()), "{code:?}");
            assert!(!remedy.text().contains("AAAABBBB"));
        }
    }

    #[test]
    fn a_refused_local_server_gets_its_start_command_and_the_trap_of_loopback() {
        let here = endpoint(Kind::LmStudio, "127.0.0.1", 1234);
        let remedy_here = caution(&Cause::Refused, &Subject::draft(Kind::LmStudio, &here, &KeySource::None));
        assert_eq!(remedy_here.headline, "Nothing listens on 127.0.0.1 port 1234. Start the server:");
        assert_eq!(remedy_here.command.as_deref(), Some("lms server start --port 1234"));

        let there = endpoint(Kind::LlamaCpp, "192.168.1.20", 8080);
        let model = ModelId::from("qwen3-32b-Q4_K_M.gguf");
        let subject = Subject::draft(Kind::LlamaCpp, &there, &KeySource::None).with_model(Some(model.as_str()));
        let remedy = caution(&Cause::Refused, &subject);
        assert_eq!(remedy.headline, "Nothing listens on 192.168.1.20 port 8080. On that machine:");
        assert_eq!(remedy.command.as_deref(), Some("llama-server -m qwen3-32b-Q4_K_M.gguf --host 0.0.0.0 --port 8080"));
        assert_eq!(remedy.steps[0], "Started already? Then it listens on 127.0.0.1 only: add --host 0.0.0.0.");
    }

    #[test]
    fn the_wrong_address_of_the_original_file_is_answered_with_the_right_one() {
        let wrong = endpoint(Kind::ZAiGlm, "api.z-ai.com", 443);
        let key = KeySource::Variable { name: "Z_AI_API_KEY".into() };
        let subject = Subject { id: "z_ai_glm", origin: Origin::Section, ..Subject::draft(Kind::ZAiGlm, &wrong, &key) };
        let remedy = caution(&Cause::KeyWithheld { host: "api.z-ai.com".into() }, &subject);
        assert_eq!(
            remedy.command.as_deref(),
            Some("lmdeck providers edit z_ai_glm --endpoint https://api.z.ai/api/paas/v4")
        );
        assert!(remedy.headline.contains("api.z-ai.com"), "{}", remedy.headline);
    }

    #[test]
    fn what_a_server_said_cannot_reach_the_terminal_or_the_shell() {
        let here = endpoint(Kind::LmStudio, "127.0.0.1", 1234);
        let subject = Subject::draft(Kind::LmStudio, &here, &KeySource::None).with_model(Some("x; rm -rf ~\x1b[2J"));
        for cause in [
            Cause::UnknownModel { offered: vec!["\x1b]0;evil\x07".into()] },
            Cause::OtherProgram { looks_like: Some("\x1b[31m".into()) },
            Cause::Redirect { to: "http://a/\x1b[2J;id".into() },
            Cause::WrongPath { path: "/\u{202e}".into() },
            Cause::NoModelLoaded,
        ] {
            let remedy = caution(&cause, &subject);
            let text = remedy.text();
            assert!(!text.chars().any(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
            let command = remedy.command.unwrap_or_default();
            assert!(!command.contains([';', '~', '^', '<']), "{command}");
        }
    }
}
