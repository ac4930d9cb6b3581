//! Who plays: four simulated servers, and the configuration that names them.

use super::script::Tempo;
use super::words;
use crate::sim::{LmStudioApi, Pace, Sim, SimKind, SimModel};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Wanted by the vendors, and written into the demo's own configuration. They open nothing anywhere.
const KEYS: [(&str, &str); 3] =
    [("zai", "demo-zai-key-0000"), ("openai", "demo-openai-key-0000"), ("claude", "demo-claude-key-0000")];

/// The servers of the demo.
pub struct Cast {
    pub lm_studio: Sim,
    pub zai: Sim,
    pub openai: Sim,
    pub claude: Sim,
}

impl Cast {
    /// Starts all four on free ports of this machine.
    ///
    /// # Errors
    /// A port cannot be had.
    pub async fn start() -> std::io::Result<Self> {
        let cast = Self {
            lm_studio: Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await?,
            zai: Sim::start(SimKind::ZAi).await?,
            openai: Sim::start(SimKind::Openai).await?,
            claude: Sim::start(SimKind::Anthropic).await?,
        };
        cast.lm_studio.set_models(local_models());
        cast.lm_studio.load_takes(Duration::from_secs(6));
        cast.zai.set_models(vec![vendor("glm-4.6", 200_000), vendor("glm-4.7-flash", 200_000)]);
        cast.openai.set_models(vec![vendor("gpt-6.1-terra", 272_000), vendor("gpt-5.4-mini", 272_000)]);
        cast.claude.set_models(vec![vendor("claude-sonnet-5-5", 1_000_000), vendor("claude-haiku-4-5", 200_000)]);
        for sim in cast.all() {
            sim.speak(words::answer);
            sim.count_prompts();
        }
        cast.zai.speak(words::thoughtful_answer);
        cast.in_good_order();
        Ok(cast)
    }

    fn all(&self) -> [&Sim; 4] {
        [&self.lm_studio, &self.zai, &self.openai, &self.claude]
    }

    /// Everybody answers, at their own pace, to their own key.
    pub fn in_good_order(&self) {
        self.lm_studio.pace(pace(3, 180, 18));
        self.zai.pace(pace(95, 520, 12));
        self.openai.pace(pace(60, 310, 8));
        self.claude.pace(pace(75, 420, 11));
        for (id, key) in KEYS {
            self.of(id).require_key(key);
        }
    }

    /// OpenAI takes its time.
    pub fn slow_down(&self) {
        self.openai.pace(pace(1_300, 2_600, 60));
    }

    /// Anthropic no longer takes the key of the configuration.
    pub fn withdraw_key(&self) {
        self.claude.require_key("demo-claude-key-0001");
    }

    fn of(&self, id: &str) -> &Sim {
        match id {
            "zai" => &self.zai,
            "openai" => &self.openai,
            "claude" => &self.claude,
            _ => &self.lm_studio,
        }
    }

    /// Ends every server.
    pub async fn end(&self) {
        for sim in self.all() {
            sim.stop().await;
        }
    }

    /// Writes the file the dashboard starts from, for its owner only: there are keys in it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_configuration(&self, file: &Path, tempo: &Tempo) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        file.write_all(self.configuration(tempo).as_bytes())
    }

    fn configuration(&self, tempo: &Tempo) -> String {
        let [(_, zai_key), (_, openai_key), (_, claude_key)] = KEYS;
        let (lm_studio, zai, openai, claude) =
            (self.lm_studio.address(), self.zai.address(), self.openai.address(), self.claude.address());
        let health = format!("{{ interval: {}, timeout: 2, retries: 0 }}", tempo.probe.as_secs_f64());
        format!(
            "\
# The demo's own configuration: simulated servers on this machine. It is gone when the demo ends.
providers:
  - id: lm_studio
    name: LM Studio
    type: lm_studio
    endpoint: {lm_studio}
    preferred_models: [qwen/qwen3-8b]
    health: {health}
  - id: zai
    name: Z.AI
    type: z_ai_glm
    endpoint: {zai}
    authToken: {zai_key}
    models:
      - {{ id: glm-4.6, context: 200000, quality: 82, price: {{ input: 0.60, output: 2.20, cached_input: 0.11 }} }}
      - {{ id: glm-4.7-flash, context: 200000, quality: 60, price: {{ input: 0, output: 0 }} }}
    health: {health}
  - id: openai
    name: OpenAI
    type: openai
    endpoint: {openai}
    authToken: {openai_key}
    models:
      - {{ id: gpt-6.1-terra, context: 272000, quality: 90, price: {{ input: 1.00, output: 5.00, cached_input: 0.05 }} }}
      - {{ id: gpt-5.4-mini, context: 272000, quality: 70, price: {{ input: 0.75, output: 4.50, cached_input: 0.075 }} }}
    health: {health}
  - id: claude
    name: Claude
    type: anthropic
    endpoint: {claude}
    authToken: {claude_key}
    models:
      - {{ id: claude-sonnet-5-5, context: 1000000, quality: 92, price: {{ input: 2.00, output: 10.00 }} }}
      - {{ id: claude-haiku-4-5, context: 200000, quality: 72, price: {{ input: 1.00, output: 5.00 }} }}
    health: {health}

routing:
  strategy: prefer_local
  request_priorities:
    teaching_generation: [zai/glm-4.6, claude/claude-sonnet-5-5, lm_studio]
    code_review: [claude/claude-sonnet-5-5, openai/gpt-6.1-terra]
    quick_responses: [local, openai/gpt-5.4-mini]
  policies:
    - name: private-stays-here
      priority: 100
      when: request.tags.privacy == \"high\"
      use: [local]
      local_only: true
    - name: chapel-prayers
      priority: 50
      when: request.client == \"chapel\" && request.type == \"prayer_generation\"
      use: [local, zai/glm-4.7-flash]
    - name: no-cloud-at-night
      mode: observe
      when: time.hour < 6 && request.priority != \"high\"
      use: [local]

presets:
  explain:
    request_type: teaching_generation
    system_prompt: You teach {{{{audience}}}}.
    prompt: Explain {{{{topic}}}} with one picture from everyday life.
    defaults: {{ audience: a twelve-year-old }}

limits:
  max_concurrent_requests: 5
  default_max_tokens: 1024

budget:
  daily_limit: 5.00

gateway:
  listen: 127.0.0.1:0
"
        )
    }
}

/// Milliseconds before any answer, before the first token, before each further one.
fn pace(answer: u64, first: u64, each: u64) -> Pace {
    let [answer, first, each] = [answer, first, each].map(Duration::from_millis);
    Pace { answer, first, each }
}

fn vendor(id: &str, context: u64) -> SimModel {
    SimModel { context, max_context: context, display: id.to_owned(), ..SimModel::named(id) }
}

fn local_models() -> Vec<SimModel> {
    let local = |id: &str, display: &str, architecture: &str, parameters: &str, gigabytes: f64| SimModel {
        display: display.into(),
        publisher: id.split('/').next().unwrap_or_default().into(),
        architecture: architecture.into(),
        parameters: parameters.into(),
        size_bytes: bytes(gigabytes),
        ..SimModel::unloaded(id)
    };
    vec![
        SimModel {
            loaded: true,
            context: 16_384,
            max_context: 40_960,
            thinks: true,
            ..local("qwen/qwen3-8b", "Qwen3 8B", "qwen3", "8B", 5.03)
        },
        SimModel { context: 8_192, vision: true, ..local("google/gemma-3-12b", "Gemma 3 12B", "gemma3", "12B", 7.3) },
        SimModel {
            context: 32_768,
            quantization: "MXFP4".into(),
            thinks: true,
            ..local("openai/gpt-oss-20b", "gpt-oss 20B", "gpt-oss", "20B", 12.1)
        },
        SimModel {
            embedding: true,
            tools: false,
            context: 2_048,
            max_context: 2_048,
            quantization: "F16".into(),
            ..local("text-embedding-nomic-embed-text-v1.5", "Nomic Embed 1.5", "nomic-bert", "", 0.27)
        },
    ]
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few gigabytes, never negative")]
fn bytes(gigabytes: f64) -> u64 {
    (gigabytes * 1e9) as u64
}
