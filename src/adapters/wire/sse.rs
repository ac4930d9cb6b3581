//! Server-sent events, observed without rebuilding them: every byte that goes in comes out again in the
//! `raw` part of exactly one event, in order. What the data means is the dialect's business.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Bytes of one event at most; what is larger is not a stream of tokens.
pub const EVENT_LIMIT: usize = 8 * 1024 * 1024;

/// One block of a stream up to and with its blank line. Comments and lone blank lines make events without
/// data: they are forwarded, and mean nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Exactly the bytes that came; a slice of the chunk when one chunk held the whole event.
    pub raw: Bytes,
    /// The value of the last `event:` line; empty when there was none.
    pub name: Bytes,
    /// The `data:` lines, joined with line feeds; `None` when there was none.
    pub data: Option<Bytes>,
    /// The event ended with its blank line; `false` only for what a cut stream left over.
    pub complete: bool,
}

/// An event grew past [`EVENT_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Reads events out of chunks that may be cut anywhere.
///
/// Lines end with CR, LF or CRLF. An event is given out as soon as its blank line is certain; when a chunk
/// ends between the CR and the LF of that line, the LF becomes the first byte of the next event.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of an event that further chunks continue.
    carry: BytesMut,
    /// What is left of the newest chunk.
    chunk: Bytes,
    /// Bytes of `chunk` already looked at.
    scanned: usize,
    /// Something other than a line end was seen since the last line end.
    in_line: bool,
    /// The last byte was the CR of a line end: a LF belongs to it.
    after_cr: bool,
    /// The first event may begin with a byte order mark.
    started: bool,
}

impl Reader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a chunk. Call [`Self::next_event`] until it gives nothing before adding another.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            let mut joined = BytesMut::from(std::mem::take(&mut self.chunk));
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// The next whole event, or `None` until more bytes come.
    ///
    /// # Errors
    /// The event under way is larger than [`EVENT_LIMIT`].
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(&byte) = self.chunk.get(self.scanned) {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                self.scanned += 1;
                continue;
            }
            let rest = self.chunk.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.in_line = true;
                self.scanned = self.chunk.len();
                break;
            };
            let blank = at == 0 && !self.in_line;
            let ended_by_cr = rest.get(at) == Some(&b'\r');
            self.scanned += at + 1;
            self.in_line = false;
            if ended_by_cr {
                match self.chunk.get(self.scanned) {
                    Some(b'\n') => self.scanned += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if blank {
                let raw = self.take_scanned();
                return if raw.len() > EVENT_LIMIT { Err(TooLong) } else { Ok(Some(self.event(raw, true))) };
            }
        }
        if self.carry.len() + self.chunk.len() > EVENT_LIMIT {
            return Err(TooLong);
        }
        self.carry.extend_from_slice(&std::mem::take(&mut self.chunk));
        self.scanned = 0;
        Ok(None)
    }

    /// The bytes that have come and were not read yet, where an event begins with the first of them; else nothing.
    /// For a reader that knows what follows; it takes whole events with [`Self::take`].
    pub fn ahead(&self) -> &[u8] {
        let between = self.started && self.scanned == 0 && self.carry.is_empty() && !self.in_line && !self.after_cr;
        if between { &self.chunk } else { &[] }
    }

    /// Takes whole events, `length` bytes of [`Self::ahead`], unread. They end with LF.
    pub fn take(&mut self, length: usize) -> Bytes {
        self.chunk.split_to(length.min(self.chunk.len()))
    }

    /// What is left when the stream has ended: an event without its blank line.
    pub fn finish(&mut self) -> Option<Event> {
        self.scanned = self.chunk.len();
        let raw = self.take_scanned();
        (!raw.is_empty()).then(|| self.event(raw, false))
    }

    fn take_scanned(&mut self) -> Bytes {
        let part = self.chunk.split_to(self.scanned);
        self.scanned = 0;
        if self.carry.is_empty() {
            part
        } else {
            self.carry.extend_from_slice(&part);
            self.carry.split().freeze()
        }
    }

    fn event(&mut self, raw: Bytes, complete: bool) -> Event {
        let mut position = if self.started { 0 } else { byte_order_mark(&raw) };
        self.started = true;
        let (mut name, mut data) = (0..0, Data::None);
        while let Some(rest) = raw.get(position..).filter(|rest| !rest.is_empty()) {
            let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = position..position + length;
            position += length + 1;
            let (field, value) = field(&raw, line);
            match field {
                b"data" => data = data.and(value, &raw),
                b"event" => name = value,
                _ => {}
            }
        }
        // Slices are made of what is kept only: each one counts its owners, which costs more than looking at a line.
        Event { name: raw.slice(name), data: data.of(&raw), complete, raw }
    }
}

fn byte_order_mark(raw: &[u8]) -> usize {
    if raw.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 }
}

/// The name of a line's field, and where its value stands.
fn field(raw: &[u8], line: Range<usize>) -> (&[u8], Range<usize>) {
    let text = raw.get(line.clone()).unwrap_or_default();
    let colon = memchr::memchr(b':', text).unwrap_or(text.len());
    let blank = usize::from(text.get(colon + 1) == Some(&b' '));
    let start = (line.start + colon + 1 + blank).min(line.end);
    (text.get(..colon).unwrap_or_default(), start..line.end)
}

/// The `data:` lines of an event so far.
enum Data {
    None,
    One(Range<usize>),
    Joined(BytesMut),
}

impl Data {
    fn and(self, line: Range<usize>, raw: &[u8]) -> Self {
        let mut joined = match self {
            Self::None => return Self::One(line),
            Self::One(first) => BytesMut::from(raw.get(first).unwrap_or_default()),
            Self::Joined(joined) => joined,
        };
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(raw.get(line).unwrap_or_default());
        Self::Joined(joined)
    }

    fn of(self, raw: &Bytes) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::One(line) => Some(raw.slice(line)),
            Self::Joined(joined) => Some(joined.freeze()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        let mut reader = Reader::new();
        let mut events = Vec::new();
        for chunk in chunks {
            reader.push(Bytes::copy_from_slice(chunk));
            while let Some(event) = reader.next_event().unwrap() {
                events.push(event);
            }
        }
        events.extend(reader.finish());
        events
    }

    /// Name and data of the events that have data.
    fn meaning(events: &[Event]) -> Vec<(Vec<u8>, Vec<u8>)> {
        events.iter().filter_map(|e| e.data.as_ref().map(|d| (e.name.to_vec(), d.to_vec()))).collect()
    }

    fn raw(events: &[Event]) -> Vec<u8> {
        events.iter().flat_map(|e| e.raw.to_vec()).collect()
    }

    #[test]
    fn all_line_ends_spaces_comments_and_names_are_understood() {
        let input = b"\xEF\xBB\xBF: hello\r\n\r\nevent: error\r\ndata: {\"a\":1}\r\n\r\ndata:x\ndata: y\ndata\n\nid: 7\rdata:  z\r\r";
        let events = read(&[input]);
        assert_eq!(
            meaning(&events),
            [
                (b"error".to_vec(), b"{\"a\":1}".to_vec()),
                (Vec::new(), b"x\ny\n".to_vec()),
                (Vec::new(), b" z".to_vec()),
            ]
        );
        assert_eq!(raw(&events), input);
    }

    #[test]
    fn an_event_inside_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
        let mut reader = Reader::new();
        reader.push(chunk.clone());
        let first = reader.next_event().unwrap().unwrap();
        let second = reader.next_event().unwrap().unwrap();
        assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
        assert_eq!(second.data.unwrap().as_ptr(), chunk.slice(15..).as_ptr());
    }

    #[test]
    fn an_event_comes_out_with_its_blank_line_not_with_the_next_byte() {
        for ending in ["\n\n", "\r\n\r\n", "\r\r"] {
            let mut reader = Reader::new();
            reader.push(Bytes::from(format!("data: 1{ending}")));
            assert_eq!(reader.next_event().unwrap().unwrap().data.unwrap(), "1", "{ending:?}");
        }
    }

    #[test]
    fn what_a_cut_stream_leaves_over_is_given_out_as_incomplete() {
        let events = read(&[b"data: 1\n\ndata: [DO"]);
        assert!(events[0].complete);
        assert!(!events[1].complete);
        assert_eq!(events[1].raw, "data: [DO");
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = Reader::new();
        let mut result = Ok(None);
        for _ in 0..=EVENT_LIMIT / 65_536 {
            reader.push(Bytes::from(vec![b'a'; 65_536]));
            result = reader.next_event();
        }
        assert_eq!(result, Err(TooLong));
    }

    /// Texts dense in what matters: line ends, colons, field names, a byte order mark, broken UTF-8.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b"data: ".to_vec()),
            Just(b"data:".to_vec()),
            Just(b"data".to_vec()),
            Just(b"event: e".to_vec()),
            Just(b": c".to_vec()),
            Just(b"[DONE]".to_vec()),
            Just(b"\xEF\xBB\xBF".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events_and_loses_no_byte(
            input in streams(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
            places.extend([0, input.len()]);
            places.sort_unstable();
            let chunks: Vec<&[u8]> = places.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let cut = read(&chunks);
            prop_assert_eq!(raw(&cut), input.clone());
            prop_assert_eq!(meaning(&cut), meaning(&read(&[&input])));
        }

        #[test]
        fn what_was_written_is_read_back(
            events in proptest::collection::vec(("[a-z]{0,8}", proptest::collection::vec("[^\r\n]{0,12}", 1..4)), 0..8),
            end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            let mut input = String::new();
            for (name, lines) in &events {
                if !name.is_empty() {
                    input.extend(["event: ", name, end]);
                }
                for line in lines {
                    input.extend(["data: ", line, end]);
                }
                input += end;
            }
            let wanted: Vec<_> =
                events.iter().map(|(n, l)| (n.clone().into_bytes(), l.join("\n").into_bytes())).collect();
            prop_assert_eq!(meaning(&read(&[input.as_bytes()])), wanted);
        }
    }
}
