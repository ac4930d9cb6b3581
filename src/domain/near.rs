//! How alike two names are, for `did you mean`: one measure for the keys of a file and for the names in a request, so
//! that the same slip gets the same answer everywhere.

/// Longer names are compared with nobody, in bytes: a caller's bad request costs no more for being long.
pub const LONGEST: usize = 64;
/// More slips than this make another word, however long it is.
const MOST: usize = 3;

/// Letters left out, added, replaced or swapped with their neighbour; `None` when they are too many to be slips.
/// Upper and lower case are different letters.
pub fn slips(wanted: &str, known: &str) -> Option<usize> {
    let longest = wanted.len().max(known.len());
    let most = (longest / 3).clamp(1, MOST);
    // A letter has four bytes at most.
    if longest > LONGEST || wanted.len().abs_diff(known.len()) > most * 4 {
        return None;
    }
    let (wanted, known): (Vec<char>, Vec<char>) = (wanted.chars().collect(), known.chars().collect());
    let most = (wanted.len().max(known.len()) / 3).clamp(1, MOST);
    if wanted.len().abs_diff(known.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = vec![0; known.len() + 1];
    let mut above: Vec<usize> = (0..=known.len()).collect();
    for (i, letter) in wanted.iter().enumerate() {
        let mut row = vec![i + 1; known.len() + 1];
        for (j, other) in known.iter().enumerate() {
            let mut fewest = (above[j] + usize::from(letter != other)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == known[j - 1] && wanted[i - 1] == *other {
                fewest = fewest.min(before[j - 1] + 1);
            }
            row[j + 1] = fewest;
        }
        // What comes below is made of these two rows, and never less.
        if row.iter().chain(&above).all(|slips| *slips > most) {
            return None;
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|slips| *slips <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_counted_and_another_word_is_none() {
        for (wanted, known, expected) in [
            ("openai", "openai", Some(0)),
            ("opnai", "openai", Some(1)),
            ("opneai", "openai", Some(1)),
            ("zia", "zai", Some(1)),
            ("gpt-4o-mnii", "gpt-4o-mini", Some(1)),
            ("lm_studoi", "lm_studio", Some(1)),
            ("workstation", "workbench", None),
            ("\u{e9}t\u{e9}", "\u{e9}te", Some(1)),
            ("", "id", None),
            ("", "", Some(0)),
        ] {
            assert_eq!(slips(wanted, known), expected, "{wanted} {known}");
            assert_eq!(slips(known, wanted), expected, "{known} {wanted}");
        }
        assert_eq!(slips(&"a".repeat(65), &"a".repeat(65)), None);
    }
}
