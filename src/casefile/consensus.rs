//! What several readings of one line agree on, letter by letter.
//!
//! One reading is never a fact, so a region is read several times, prepared in different ways, and
//! the letters are voted on. The readings are aligned to the one that is nearest to all others
//! (least sum of weighted edit distances, Levenshtein); at each of its places the letter with the
//! most weight ([`Reading::weight`]) wins, and so does "no letter here" (J. G. Fiscus, ROVER, 1997). What
//! others read between two of its places is left out. Equal weights go to the first reading, and
//! nothing depends on anything but the readings and their order.

/// Most readings that are compared, and most letters of each: they are compared in pairs.
pub const READINGS_MAX: usize = 32;
/// Longest line that is compared, in letters: a plate, a label, a sign. The rest of a longer one is
/// left out.
pub const LETTERS_MAX: usize = 256;

/// One reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was read.
    pub text: String,
    /// How sure the reader is, 0 to 1.
    pub confidence: f64,
}

impl Reading {
    /// What the reading counts: ½ + confidence / 2. Readers are sure of words, and say 0 of plates that
    /// they read right; so every reading counts, and none more than two others together.
    pub fn weight(&self) -> f64 {
        0.5 + self.confidence.clamp(0.0, 1.0) / 2.0
    }
}

/// One letter of what is agreed on.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The letter with the most weight.
    pub letter: char,
    /// Its share of the weight of all readings, 0 to 1.
    pub share: f64,
    /// The other letters that were read here, with their shares, the likeliest first.
    pub others: Vec<(char, f64)>,
}

/// What the readings agree on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consensus {
    /// Letter by letter.
    pub letters: Vec<Letter>,
    /// Readings that were compared.
    pub compared: usize,
}

impl Consensus {
    /// The letters as text.
    pub fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.letter).collect()
    }

    /// The share of the weakest letter: a chain is as strong as that. 0 when nothing was read.
    pub fn confidence(&self) -> f64 {
        let shares = self.letters.iter().map(|letter| letter.share);
        shares.min_by(f64::total_cmp).unwrap_or(0.0)
    }
}

/// The letters and digits of a line in capitals: what of a plate is compared, for its spaces and
/// dashes are the painter's.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

/// A key for searching: letters and digits of any script in capitals, those that are mistaken for each
/// other as one (O, D and Q for 0, I and L for 1, S for 5, B for 8, Z for 2, G for 6).
pub fn folded(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .map(|letter| match letter {
            'O' | 'D' | 'Q' => '0',
            'I' | 'L' => '1',
            'S' => '5',
            'B' => '8',
            'Z' => '2',
            'G' => '6',
            other => other,
        })
        .collect()
}

/// What the readings agree on. Empty ones are left out, and those beyond [`READINGS_MAX`].
pub fn consensus(readings: &[Reading]) -> Consensus {
    let lines: Vec<(Vec<char>, f64)> = readings
        .iter()
        .map(|reading| (reading.text.trim(), reading.weight()))
        .filter(|(line, _)| !line.is_empty())
        .take(READINGS_MAX)
        .map(|(line, weight)| (line.chars().take(LETTERS_MAX).collect(), weight))
        .collect();
    let Some(pivot) = nearest_to_all(&lines) else {
        return Consensus::default();
    };
    let mut votes: Vec<Vec<(Option<char>, f64)>> = vec![Vec::new(); lines[pivot].0.len()];
    for (line, weight) in &lines {
        for (place, letter) in votes.iter_mut().zip(aligned(&lines[pivot].0, line)) {
            match place.iter_mut().find(|(voted, _)| *voted == letter) {
                Some((_, sum)) => *sum += weight,
                None => place.push((letter, *weight)),
            }
        }
    }
    Consensus {
        letters: votes.into_iter().filter_map(elected).collect(),
        compared: lines.len(),
    }
}

fn elected(mut place: Vec<(Option<char>, f64)>) -> Option<Letter> {
    let total: f64 = place.iter().map(|(_, weight)| weight).sum();
    // Stable: of equal weights the first stays first.
    place.sort_by(|one, other| other.1.total_cmp(&one.1));
    let (winner, weight) = place[0];
    let others = place[1..]
        .iter()
        .filter_map(|(letter, weight)| Some(((*letter)?, weight / total)))
        .collect();
    Some(Letter {
        letter: winner?,
        share: weight / total,
        others,
    })
}

fn nearest_to_all(lines: &[(Vec<char>, f64)]) -> Option<usize> {
    let far = |at: usize| -> f64 {
        let (line, _) = &lines[at];
        lines
            .iter()
            .map(|(other, weight)| {
                weight * f64::from(distances(line, other)[line.len()][other.len()])
            })
            .sum()
    };
    (0..lines.len()).min_by(|&one, &other| far(one).total_cmp(&far(other)))
}

/// Edit distances between all beginnings of the two lines.
fn distances(one: &[char], other: &[char]) -> Vec<Vec<u32>> {
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            table[i][j] = match (i, j) {
                (0, length) | (length, 0) => length as u32,
                _ => {
                    let differs = u32::from(one[i - 1] != other[j - 1]);
                    let replaced = table[i - 1][j - 1] + differs;
                    replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
                }
            };
        }
    }
    table
}

/// What of `line` stands at each place of `pivot`.
fn aligned(pivot: &[char], line: &[char]) -> Vec<Option<char>> {
    let table = distances(pivot, line);
    let mut places = vec![None; pivot.len()];
    let (mut i, mut j) = (pivot.len(), line.len());
    while i > 0 && j > 0 {
        let differs = u32::from(pivot[i - 1] != line[j - 1]);
        if table[i][j] == table[i - 1][j - 1] + differs {
            (i, j) = (i - 1, j - 1);
            places[i] = Some(line[j]);
        } else if table[i][j] == table[i - 1][j] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "tests")]
    use super::*;

    fn of(readings: &[(&str, f64)]) -> Consensus {
        let readings: Vec<_> = readings
            .iter()
            .map(|(text, confidence)| Reading {
                text: (*text).to_owned(),
                confidence: *confidence,
            })
            .collect();
        consensus(&readings)
    }

    #[test]
    fn letters_are_voted_on_one_by_one() {
        let agreed = of(&[
            ("NJ26KTR", 0.9),
            ("NJ2GKTR", 0.8),
            ("HJ26KTR", 0.5),
            ("NJ26KIR", 0.4),
        ]);
        assert_eq!(agreed.text(), "NJ26KTR");
        let six = &agreed.letters[3];
        assert_eq!((six.letter, six.others[0].0), ('6', 'G'));
        let share = (0.95 + 0.75 + 0.7) / (0.95 + 0.9 + 0.75 + 0.7);
        assert!((six.share - share).abs() < 1e-12);
        assert!((agreed.confidence() - share).abs() < 1e-12);
    }

    #[test]
    fn letters_too_many_and_too_few_are_voted_on_as_well() {
        assert_eq!(
            of(&[("INJ26", 0.9), ("NJ26", 0.8), ("NJ26I", 0.3)]).text(),
            "NJ26"
        );
        assert_eq!(
            of(&[("NJ6", 0.5), ("NJ26", 0.8), ("NJ26", 0.3)]).text(),
            "NJ26"
        );
        assert_eq!(of(&[("AB", 0.2), ("XY", 0.9)]).text(), "XY");
    }

    #[test]
    fn each_character_is_voted_on() {
        let agreed = of(&[("NJ-48K", 1.0), ("NJ-4BK", 1.0), ("HJ-48K", 1.0)]);
        assert_eq!(agreed.text(), "NJ-48K");
        let letters = agreed.letters.iter();
        let thirds: Vec<_> = letters.map(|letter| (letter.share * 3.0).round()).collect();
        assert_eq!(thirds, [2.0, 3.0, 3.0, 3.0, 2.0, 3.0]);
    }

    #[test]
    fn lost_and_invented_characters_do_not_shift_the_others() {
        let agreed = of(&[("AB123CD", 1.0), ("AB23CD", 1.0), ("AB1123CD", 1.0)]);
        assert_eq!(agreed.text(), "AB123CD");
    }

    #[test]
    fn a_sure_reading_outweighs_an_unsure_one_and_never_two() {
        let one = of(&[("K1", 0.3), ("X1", 0.9)]);
        assert_eq!(one.text(), "X1");
        assert!((one.letters[0].share - 0.95 / 1.6).abs() < 1e-9);
        let two = of(&[("X1", 0.9), ("K1", 0.3), ("K1", 0.3)]);
        assert_eq!(two.text(), "K1");
        assert!((two.letters[0].share - 1.3 / 2.25).abs() < 1e-9);
    }

    #[test]
    fn empty_readings_take_no_ones_place() {
        let mut readings = vec![("  ", 1.0); READINGS_MAX];
        assert_eq!(of(&readings), Consensus::default());
        readings.push(("AB", 0.0));
        let agreed = of(&readings);
        assert_eq!((agreed.text().as_str(), agreed.compared), ("AB", 1));
        assert_eq!(of(&[("A", 1.0); READINGS_MAX + 1]).compared, READINGS_MAX);
    }

    #[test]
    fn nothing_read_is_nothing_agreed_on() {
        assert_eq!(of(&[]), Consensus::default());
        assert_eq!(of(&[("", 0.9), ("", 0.0)]).text(), "");
        assert_eq!(of(&[("A", 0.0)]).text(), "A");
        assert_eq!(of(&[]).confidence(), 0.0);
        let long = "x".repeat(500);
        assert_eq!(of(&[(&long, 1.0)]).letters.len(), LETTERS_MAX);
    }

    #[test]
    fn plates_are_compared_and_searched_without_what_is_mistaken() {
        assert_eq!(plain(" m-uc 2674."), "MUC2674");
        assert_eq!(folded("DQ-51 GZ"), folded("0O SI 62"));
        assert_ne!(folded("A1"), folded("A7"));
    }

    #[test]
    fn look_alikes_fold_to_one_key() {
        assert_eq!(folded("NJ-O8 lSZ g"), "NJ081526");
        for (one, other) in [
            ("ODQ0", "0000"),
            ("ILil1", "11111"),
            ("s5", "55"),
            ("b8", "88"),
            ("z2g6", "2266"),
            ("mü-ж", "MÜЖ"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
    }
}
