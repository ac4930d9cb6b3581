//! The programs, with the lines as their own documentation wants them.

use super::{Client, Step};

/// What the SDK of OpenAI calls itself, in both its forms.
const SDK: &[&str] = &["OpenAI", "AsyncOpenAI"];
/// The same below a library that may add its own name.
const LITELLM: &[&str] = &["litellm", "OpenAI", "AsyncOpenAI"];

/// Programs that cannot be connected yet, with the reason and what works meanwhile.
pub const LATER: &[(&str, &str)] = &[("anthropic", ANTHROPIC), ("claude-code", ANTHROPIC)];

const ANTHROPIC: &str = "the gateway does not speak Anthropic's /v1/messages yet; an Anthropic model can be reached \
                         through any OpenAI client by its name, as in claude/claude-haiku-4-5";

const fn step(said: &'static str, lines: &'static str) -> Step {
    Step { said, lines }
}

/// See the module.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "dspy",
        title: "DSPy",
        // Newer ones call through a library of their own, older ones through LiteLLM.
        agents: &["DSPy", "lm15", "litellm", "OpenAI", "AsyncOpenAI"],
        steps: &[
            step(
                "In Python:",
                "import dspy\n\
                 lm = dspy.LM(\"openai/auto\",\n\
                 \x20            api_base=\"{base}\", api_key=\"{key}\")\n\
                 dspy.configure(lm=lm)\n\
                 ask = dspy.Predict(\"question -> answer\")\n\
                 print(ask(question=\"What is a lotus?\").answer)",
            ),
            step(
                "With a label for your rules:",
                "lm = dspy.LM(\"openai/auto\",\n\
                 \x20            api_base=\"{base}\", api_key=\"{key}\",\n\
                 \x20            extra_headers={\"x-lmdeck-request-type\": \"quick_responses\"})",
            ),
        ],
    },
    Client {
        name: "openai-python",
        title: "OpenAI SDK for Python",
        agents: SDK,
        steps: &[step(
            "In Python:",
            "from openai import OpenAI\n\
             client = OpenAI(base_url=\"{base}\", api_key=\"{key}\")\n\
             answer = client.chat.completions.create(\n\
             \x20   model=\"auto\",\n\
             \x20   messages=[{\"role\": \"user\", \"content\": \"Say hello.\"}])\n\
             print(answer.choices[0].message.content)",
        )],
    },
    Client {
        name: "openai-node",
        title: "OpenAI SDK for JavaScript",
        agents: SDK,
        steps: &[step(
            "In a module (Node, Deno, Bun):",
            "import OpenAI from \"openai\";\n\
             const client = new OpenAI({\n\
             \x20 baseURL: \"{base}\", apiKey: \"{key}\",\n\
             });\n\
             const answer = await client.chat.completions.create({\n\
             \x20 model: \"auto\",\n\
             \x20 messages: [{ role: \"user\", content: \"Say hello.\" }],\n\
             });\n\
             console.log(answer.choices[0].message.content);",
        )],
    },
    Client {
        name: "environment",
        title: "any program that reads OpenAI's variables",
        agents: &[],
        steps: &[step(
            "In the shell that starts it, with auto as its model:",
            "export OPENAI_BASE_URL={base}\nexport OPENAI_API_KEY={key}",
        )],
    },
    Client {
        name: "curl",
        title: "curl",
        agents: &["curl"],
        steps: &[step(
            "In a shell:",
            "curl {base}/chat/completions \\\n\
             \x20 -H 'content-type: application/json' \\\n\
             \x20 -H 'authorization: Bearer {key}' \\\n\
             \x20 -d '{\"model\": \"auto\",\n\
             \x20      \"messages\": [{\"role\": \"user\", \"content\": \"Say hello.\"}]}'",
        )],
    },
    Client {
        name: "litellm",
        title: "LiteLLM",
        agents: LITELLM,
        steps: &[
            step(
                "In Python:",
                "import litellm\n\
                 answer = litellm.completion(\n\
                 \x20   model=\"openai/auto\",\n\
                 \x20   api_base=\"{base}\", api_key=\"{key}\",\n\
                 \x20   messages=[{\"role\": \"user\", \"content\": \"Say hello.\"}])\n\
                 print(answer.choices[0].message.content)",
            ),
            step(
                "Or behind its proxy, in its config.yaml:",
                "model_list:\n\
                 \x20 - model_name: lmdeck\n\
                 \x20   litellm_params:\n\
                 \x20     model: openai/auto\n\
                 \x20     api_base: {base}\n\
                 \x20     api_key: {key}",
            ),
        ],
    },
    Client {
        name: "langchain",
        title: "LangChain",
        agents: SDK,
        steps: &[step(
            "In Python, with langchain-openai:",
            "from langchain_openai import ChatOpenAI\n\
             llm = ChatOpenAI(model=\"auto\",\n\
             \x20                base_url=\"{base}\", api_key=\"{key}\")\n\
             print(llm.invoke(\"Say hello.\").content)",
        )],
    },
    Client {
        name: "llm",
        title: "the llm command",
        agents: SDK,
        steps: &[
            step(
                "Once, in extra-openai-models.yaml beside its log (llm logs path):",
                "- model_id: lmdeck\n\
                 \x20 model_name: auto\n\
                 \x20 api_base: {base}\n\
                 \x20 api_key_name: lmdeck",
            ),
            step("Its key, then a prompt:", "llm keys set lmdeck --value {key}\nllm -m lmdeck \"Say hello.\""),
        ],
    },
    Client {
        name: "aider",
        title: "aider",
        agents: LITELLM,
        steps: &[step(
            "In the folder of your project:",
            "aider --model openai/auto \\\n\
             \x20 --openai-api-base {base} \\\n\
             \x20 --openai-api-key {key}",
        )],
    },
    Client {
        name: "open-webui",
        title: "Open WebUI",
        // It calls with aiohttp, which begins its name with the language's.
        agents: &["Python", "aiohttp", "Open-WebUI"],
        steps: &[
            step(
                "Where it runs on this machine without a container:",
                "export OPENAI_API_BASE_URL={base}\nexport OPENAI_API_KEY={key}\nopen-webui serve",
            ),
            step(
                "In a container 127.0.0.1 is the container itself: set gateway.listen to an address that the container \
                 reaches, with gateway.api_keys, and give that address instead of {root}.",
                "",
            ),
        ],
    },
    Client {
        name: "continue",
        title: "Continue",
        agents: &[],
        steps: &[step(
            "In ~/.continue/config.yaml:",
            "models:\n\
             \x20 - name: lmdeck\n\
             \x20   provider: openai\n\
             \x20   model: auto\n\
             \x20   apiBase: {base}\n\
             \x20   apiKey: {key}",
        )],
    },
];
