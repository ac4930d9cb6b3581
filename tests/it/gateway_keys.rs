//! The keys of the gateway: whose they are, what that decides, and how long somebody without one may hold a
//! connection.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail their test")]

use super::config::Place;
use super::support::engine::{House, TokioClock, house, profile};
use lmdeck::domain::config::{Gateway, GatewayKey, Severity};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::rate::RateLimit;
use lmdeck::domain::secret::Secret;
use lmdeck::engine::ports::Clock as _;
use lmdeck::gateway::{self, GatewayOptions};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

fn key(name: Option<&str>, key: &str) -> GatewayKey {
    GatewayKey { name: name.map(str::to_owned), key: Secret::new(key), variable: None }
}

/// A gateway with these keys before an engine, in which `batch` may call once a minute.
async fn door(api_keys: Vec<GatewayKey>) -> (SocketAddr, House) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |config, _| {
        let once = RateLimit { requests_per_minute: Some(1), tokens_per_minute: None };
        config.limits.clients.insert("batch".into(), once);
    })
    .await;
    let options = GatewayOptions { api_keys, ..GatewayOptions::default() };
    let listener = gateway::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
    let address = listener.local_addr().unwrap();
    let handle = house.engine.handle.clone();
    tokio::spawn(gateway::serve(listener, handle, options, || TokioClock.now(), std::future::pending()));
    (address, house)
}

async fn ask(address: SocketAddr, route: &str, key: &str, agent: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = match route {
        "/api/v1/llm/generate" => r#"{"prompt":"hi"}"#,
        _ => r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#,
    };
    let request = client.post(format!("http://{address}{route}")).bearer_auth(key).header("user-agent", agent);
    request.body(body).send().await.unwrap().status().as_u16()
}

/// Who called, in the order of the records.
async fn clients(house: &House, count: usize) -> Vec<String> {
    let told = async {
        while house.book.records().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("every call has a record");
    house.book.records().into_iter().map(|record| record.facts.client).collect()
}

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_key_s_name_is_the_client_whatever_the_request_says_of_itself() {
    let keys = vec![key(Some("batch"), "key-of-batch"), key(Some("alice"), "key-of-alice"), key(None, "key-of-all")];
    let (address, house) = door(keys).await;
    for (key, agent, route, status) in [
        ("key-of-batch", "OpenAI/Python 3.3.0", CHAT, 200),
        ("key-of-alice", "OpenAI/Python 3.3.0", CHAT, 200),
        ("key-of-alice", "batch/1.0", "/api/v1/llm/generate", 200),
        // Another product does not make another client of it.
        ("key-of-batch", "curl/8.0", CHAT, 429),
        ("key-of-batch", "curl/8.0", "/api/v1/llm/generate", 429),
        // The key without a name works as before, but is nobody who has one.
        ("key-of-all", "DSPy/3.4.1", CHAT, 200),
        ("key-of-all", "batch/1.0", CHAT, 200),
        ("key-of-none", "batch/1.0", CHAT, 401),
    ] {
        assert_eq!(ask(address, route, key, agent).await, status, "{key} {agent} {route}");
    }
    assert_eq!(clients(&house, 7).await, ["batch", "alice", "alice", "batch", "batch", "DSPy", ""]);
}

#[tokio::test]
async fn where_no_key_has_a_name_the_product_of_the_user_agent_is_the_client() {
    let (address, house) = door(vec![key(None, "key-of-all"), key(None, "another-key")]).await;
    assert_eq!(ask(address, CHAT, "key-of-all", "batch/1.0").await, 200);
    assert_eq!(ask(address, CHAT, "another-key", "batch/2.0").await, 429);
    assert_eq!(clients(&house, 2).await, ["batch", "batch"]);
}

/// One request on this connection, and the status of its answer. The connection stays open where the gateway lets it.
async fn on(stream: &mut TcpStream, key: &str) -> u16 {
    let head = format!("GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = vec![0; 64 * 1024];
    let length = stream.read(&mut said).await.unwrap();
    String::from_utf8_lossy(&said[..length]).split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_that_is_taken_out_of_the_file_opens_nothing_any_more_and_a_new_one_does() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |_, _| {}).await;
    let with = |api_keys: &[GatewayKey]| Gateway { api_keys: api_keys.to_vec(), ..Gateway::default() };
    let (leaked, fresh) = (key(None, "leaked-key"), key(Some("alice"), "key-of-alice"));
    let (told, settings) = watch::channel(Some(with(std::slice::from_ref(&leaked))));
    let options = GatewayOptions::of(with(&[leaked]));
    let listener = gateway::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (handle, clock) = (house.engine.handle.clone(), || TokioClock.now());
    tokio::spawn(gateway::serve_following(listener, handle, options, Some(settings), clock, std::future::pending()));
    let mut kept_open = TcpStream::connect(address).await.unwrap();
    assert_eq!(on(&mut kept_open, "leaked-key").await, 200);
    assert_eq!(ask(address, CHAT, "key-of-alice", "curl/8.0").await, 401);

    told.send_replace(Some(with(&[fresh])));
    let taken_over = async { while ask(address, CHAT, "key-of-alice", "curl/8.0").await != 200 {} };
    tokio::time::timeout(Duration::from_secs(20), taken_over).await.expect("the new key is taken over");
    assert_eq!(on(&mut kept_open, "leaked-key").await, 401, "on a connection that was open too");
    assert_eq!(ask(address, CHAT, "leaked-key", "curl/8.0").await, 401);
    assert_eq!(clients(&house, 1).await, ["alice"]);
}

#[tokio::test]
async fn where_others_reach_it_the_last_key_s_going_leaves_nobody_in() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |_, _| {}).await;
    let keyed = Gateway { api_keys: vec![key(None, "only-key")], ..Gateway::default() };
    let (told, settings) = watch::channel(Some(keyed.clone()));
    let options = GatewayOptions::of(keyed);
    let listener = gateway::bind("0.0.0.0:0".parse().unwrap(), &options).await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let (handle, clock) = (house.engine.handle.clone(), || TokioClock.now());
    tokio::spawn(gateway::serve_following(listener, handle, options, Some(settings), clock, std::future::pending()));
    assert_eq!(ask(address, CHAT, "only-key", "curl/8.0").await, 200);
    told.send_replace(Some(Gateway::default()));
    let shut = async { while ask(address, CHAT, "only-key", "curl/8.0").await != 401 {} };
    tokio::time::timeout(Duration::from_secs(20), shut).await.expect("nobody comes in");
    let without = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = without.get(format!("http://{address}/v1/models")).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[test]
fn keys_stand_in_the_file_alone_or_with_a_name() {
    let place = Place::holding(
        "gateway:\n  api_keys:\n    - one-key-of-mine\n    - { name: batch, key: '${BATCH_KEY}' }\n    - name: alice\n      \
         key: alices-own-key\n    - '${NONE:-}'\n    - { name: nobody, key: '${NONE:-}' }\n",
    );
    let loaded = place.load(&[("BATCH_KEY", "12345678")]).unwrap();
    assert!(loaded.issues.is_empty(), "{:?}", loaded.issues);
    let batch = GatewayKey { variable: Some("BATCH_KEY".into()), ..key(Some("batch"), "12345678") };
    let wanted = [key(None, "one-key-of-mine"), batch, key(Some("alice"), "alices-own-key")];
    assert_eq!(loaded.config.gateway.api_keys, wanted);

    let unset = "gateway:\n  api_keys:\n    - { name: batch, key: '${BATCH_KEY}' }\n";
    let unusable = Place::holding(unset).load(&[]).unwrap_err();
    let said = unusable.issues.iter().any(|issue| issue.message.contains("BATCH_KEY is not set"));
    assert!(said, "a gateway that was to ask for a key asks for none: {unusable:?}");

    for (entry, says) in [
        ("{ key: alices-own-key }", "name is missing"),
        ("{ name: alice }", "key is missing"),
        ("{ name: ' ', key: alices-own-key }", "name is missing"),
        ("{ name: '*', key: alices-own-key }", "tells its client, and * does not"),
        ("{ name: alice, key: [alices-own-key] }", "key: expected text, found a list"),
        ("[alices-own-key]", "expected text, or a section with name and key, found a list"),
    ] {
        let unusable = Place::holding(&format!("gateway:\n  api_keys:\n    - {entry}\n")).load(&[]).unwrap_err();
        let issue = unusable.issues.iter().find(|issue| issue.severity == Severity::Error).unwrap();
        assert!(issue.message.contains(says), "{entry}: {issue:?}");
        assert_eq!(issue.line, Some(3), "{entry}: {issue:?}");
        assert!(!format!("{unusable:?}").contains("alices-own-key"), "{entry}: {unusable:?}");
    }
}

/// What a connection that sends this is answered, and how long it lasts; a byte follows every now and then.
async fn trickle(address: SocketAddr, head: &str) -> (String, Duration) {
    let began = Instant::now();
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    write.write_all(head.as_bytes()).await.unwrap();
    let trickling = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut said = Vec::new();
    // Cut off while it still sends, a client may see a reset behind the answer.
    let _ = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut said)).await.expect("it is closed");
    trickling.abort();
    (String::from_utf8_lossy(&said).into_owned(), began.elapsed())
}

#[tokio::test]
async fn who_has_no_key_holds_no_connection_by_sending_little() {
    let (address, _house) = door(vec![key(None, "key-of-all")]).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n");
    let (said, took) = trickle(address, &format!("{head}\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 401") && said.contains("connection: close"), "{said}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    // Who asks before it sends is refused at once, and not asked for a body that nobody wants.
    let (said, took) = trickle(address, &format!("{head}Expect: 100-continue\r\n\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn strangers_who_send_little_do_not_keep_a_client_out() {
    let (address, _house) = door(vec![key(None, "key-of-all")]).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
    let mut strangers = Vec::new();
    for _ in 0..1_100 {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(head.as_bytes()).await.unwrap();
        strangers.push(stranger);
    }
    let served = tokio::time::timeout(Duration::from_secs(20), ask(address, CHAT, "key-of-all", "curl/8.0")).await;
    assert_eq!(served.expect("the client is served while strangers still hold on"), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_only_trickles_is_no_request_and_a_slow_one_is() {
    let (address, _house) = door(Vec::new()).await;
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#;
    let send = async |pieces: Vec<String>, pause: Duration| {
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let head = format!("POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        let sending = tokio::spawn(async move {
            for piece in pieces {
                tokio::time::sleep(pause).await;
                if write.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        });
        let mut said = vec![0; 4096];
        let length = read.read(&mut said).await.unwrap();
        sending.abort();
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    let trickled = send(vec![" ".to_owned(); 1_000_000], Duration::from_secs(20)).await;
    assert!(trickled.starts_with("HTTP/1.1 408"), "{trickled}");
    let mut slow: Vec<String> = vec![" ".repeat(100_000); 9];
    slow.push(format!("{body}{}", " ".repeat(100_000 - body.len())));
    let answered = send(slow, Duration::from_secs(8)).await;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
}
