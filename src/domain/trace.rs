//! Where a call stands in a trace that began with its caller: the W3C header `traceparent`.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// The caller's span, under which the call's own span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceParent {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    /// The caller keeps its trace; of one that is not kept no part is exported.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads the header; `None` when it is none, as the standard says of a broken one.
    pub fn parse(header: &str) -> Option<Self> {
        let (version, rest) = header.split_once('-')?;
        let [version] = bytes::<1>(version)?;
        let mut parts = rest.splitn(4, '-');
        let (trace, span) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes::<1>(parts.next()?)?;
        // Later versions may say more behind the flags; the first one may not.
        let known = version != 0xff && (version != 0 || parts.next().is_none());
        (known && trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-0{}", hex(&self.trace), hex(&self.span), u8::from(self.sampled))
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

impl TryFrom<String> for TraceParent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a traceparent looks like 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    }
}

/// Small hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes in small hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let small = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != N * 2 || !text.as_bytes().iter().all(small) {
        return None;
    }
    let mut read = [0; N];
    for (at, byte) in read.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_header_of_the_standard_is_read_and_a_broken_one_is_none() {
        let parent = TraceParent::parse(HEADER).unwrap();
        assert_eq!((parent.trace[0], parent.span[7], parent.sampled), (0x0a, 0x31, true));
        assert!(!TraceParent::parse(&HEADER.replace("-01", "-00")).unwrap().sampled);
        // A later version may go on.
        assert_eq!(TraceParent::parse(&format!("{}-what-comes", HEADER.replacen("00", "cc", 1))), Some(parent));
        for broken in [
            "",
            "00",
            &HEADER.to_uppercase(),
            &HEADER.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &HEADER.replace("b7ad6b7169203331", &"0".repeat(16)),
            &HEADER.replacen("00", "ff", 1),
            &format!("{HEADER}-more"),
            &HEADER[1..],
            &HEADER[..HEADER.len() - 1],
        ] {
            assert_eq!(TraceParent::parse(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), sampled: bool) {
            prop_assume!(trace != [0; 16] && span != [0; 8]);
            let parent = TraceParent { trace, span, sampled };
            prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        }

        #[test]
        fn no_header_stops_it(header in "\\PC{0,60}|[0-9a-f-]{50,60}") {
            let _ = TraceParent::parse(&header);
        }
    }
}
