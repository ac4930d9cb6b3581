//! What is asked in the demo, and what its models answer.

use crate::sim::Spoken;

/// A prompt as some program of the person's might send it.
pub struct Line {
    pub client: &'static str,
    pub request_type: &'static str,
    pub prompt: &'static str,
    answer: &'static str,
}

const fn line(client: &'static str, request_type: &'static str, prompt: &'static str, answer: &'static str) -> Line {
    Line { client, request_type, prompt, answer }
}

pub const LINES: [Line; 9] = [
    line(
        "chapel",
        "prayer_generation",
        "Write a short prayer for a friend who begins a new job.",
        "May the first day be gentle with you. May your hands find good work, your words find kind ears, and may you \
         come home in the evening still yourself. May what you learn there serve more people than it pays.",
    ),
    line(
        "chapel",
        "teaching_generation",
        "Explain patience to somebody who is waiting for medical results.",
        "Patience is not the absence of fear. It is doing the next small thing while the fear sits beside you: the \
         washing up, a walk to the corner, one honest telephone call. The result will come on its own day. Until \
         then there are hours, and every one of them can hold something that is true and ordinary.",
    ),
    line(
        "support-bot",
        "quick_responses",
        "Reply in one sentence: the parcel is late.",
        "I am sorry for the wait; your parcel left the depot this morning and should be with you tomorrow.",
    ),
    line(
        "dspy",
        "summarise",
        "Summarise in three points why the release slipped by a week.",
        "1. The migration was tested on a copy that was a tenth of the real size. 2. Two reviewers were away and \
         nobody had their places. 3. The rollback had never been rehearsed, so the first failure cost two days.",
    ),
    line(
        "review-bot",
        "code_review",
        "Review: the loop retries a request until it succeeds.",
        "The loop has no bound and no pause, so a server that is down meets a flood of requests. Count the tries, wait \
         longer after each, and give up with the last error in hand. Also tell apart what may be retried: a refused \
         key never gets better.",
    ),
    line("support-bot", "quick_responses", "Translate into German: see you on Monday.", "Bis Montag!"),
    line(
        "dspy",
        "",
        "Name three causes of a slow first token.",
        "A model that must be loaded first, a prompt that is not in the cache yet, and a queue in front of you.",
    ),
    line(
        "chapel",
        "prayer_generation",
        "A blessing for a house with a newborn child.",
        "May this house be warm, and its nights shorter than they seem. May the child be met with patience by people \
         who are tired, and with laughter by people who are not. May the door stand open for those who bring soup.",
    ),
    line(
        "notebook",
        "",
        "What is the difference between a median and a mean?",
        "The mean shares everything out evenly; the median is the one in the middle when all are lined up. A single \
         very rich neighbour moves the mean of the street, and leaves its median where it was.",
    ),
];

const TO_ANYTHING_ELSE: &str = "This is the demo, so no model has read that. A real one would answer here, and the \
    figures below would be its own: the time to the first token, tokens per second, and what it cost. Add a provider \
    with lmdeck providers add, or press q, start lmdeck, and follow its first screen.";

/// The answer to a prompt; the same one each time.
pub fn answer(prompt: &str) -> Spoken {
    let known = LINES.iter().find(|line| line.prompt == prompt);
    Spoken { reasoning: Vec::new(), words: pieces(known.map_or(TO_ANYTHING_ELSE, |line| line.answer)) }
}

/// The same from a model that thinks first.
pub fn thoughtful_answer(prompt: &str) -> Spoken {
    let thought = "The question is short, so the answer should be. I will keep to one image and no lists.";
    Spoken { reasoning: pieces(thought), ..answer(prompt) }
}

/// A text in pieces about as long as tokens are: words with the space before them.
fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}
