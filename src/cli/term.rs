//! The terminal: colours, and foreign text made harmless.

use std::borrow::Cow;
use std::fmt::Write as _;

use clap::ValueEnum;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// What is known of the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen {
    /// Colours on stdout.
    pub color: bool,
    /// Columns of stdout, when it is a terminal; lines are not broken otherwise.
    pub width: Option<u16>,
    /// Whether stderr is a terminal, so that a progress bar makes sense.
    pub live: bool,
}

/// Colours by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// As it is.
    Plain,
    /// A heading.
    Heading,
    /// Less important.
    Faint,
    /// A name of ours.
    Name,
    /// Good.
    Good,
    /// Worth a look.
    Warning,
    /// Bad.
    Bad,
    /// Very bad.
    Worst,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "1",
            Self::Faint => "2",
            Self::Name => "36",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Worst => "1;31",
        }
    }
}

impl Screen {
    /// `text` in this colour, or as it is where there are no colours.
    pub fn paint<'t>(&self, ink: Ink, text: &'t str) -> Cow<'t, str> {
        if self.color && ink != Ink::Plain && !text.is_empty() {
            Cow::Owned(format!("\u{1b}[{}m{text}\u{1b}[0m", ink.code()))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// Whether stdout gets colours. `NO_COLOR` counts when it is set and not empty (no-color.org).
pub fn wants_color(choice: ColorChoice, is_terminal: bool, no_color: Option<&str>) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && no_color.is_none_or(str::is_empty),
    }
}

/// Foreign text that can do nothing to a terminal: control characters as their pictures
/// (ESC → ␛, line feed → ␊), the invisible ones that reorder or hide text as `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0'..='\u{1f}' => {
                // The block "Control Pictures" holds them in the same order.
                shown.push(char::from_u32(0x2400 + letter as u32).unwrap_or('\u{fffd}'));
            }
            '\u{7f}' => shown.push('\u{2421}'),
            letter if acts(letter) => {
                let _ = write!(shown, "\\u{{{:x}}}", letter as u32);
            }
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

// C0, DEL, C1; marks that turn the direction of writing; line separators; zero-width characters
// (but for the joiner that emoji need).
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A size for people: `1.4 MiB`.
pub fn human_bytes(size: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if size.unsigned_abs() < 1_024 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1_024.0;
    let mut unit = 0;
    // 1023.95 would be printed as 1024.0.
    while value.abs() >= 1_023.95 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A whole number for people: `1,234,567`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        shown.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A length of time for people: `4 s`, `12 min`, `3 h`, `5 days`.
pub fn human_span(nanos: i64) -> String {
    let seconds = nanos.max(0) / crate::base::clock::SECOND_NS;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_inert_and_honest_text_stays() {
        assert_eq!(visible("\u{1b}]0;gone\u{7}"), "␛]0;gone␇");
        assert_eq!(visible("a\r\nb\tc\u{7f}"), "a␍␊b␉c␡");
        assert_eq!(visible("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(visible("exe.\u{202e}gpj"), "exe.\\u{202e}gpj");
        assert_eq!(visible("Füchsin 🦊 21,5 °C"), "Füchsin 🦊 21,5 °C");
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
        for letter in (0..=0x10_ffff).filter_map(char::from_u32) {
            let shown = visible(letter.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!shown.chars().any(char::is_control), "{letter:?}");
        }
    }

    #[test]
    fn no_color_and_pipes_switch_colours_off_unless_asked_for() {
        use ColorChoice::{Always, Auto, Never};
        assert!(wants_color(Auto, true, None));
        assert!(wants_color(Auto, true, Some("")));
        assert!(!wants_color(Auto, true, Some("1")));
        assert!(!wants_color(Auto, false, None));
        assert!(wants_color(Always, false, Some("1")));
        assert!(!wants_color(Never, true, None));
    }

    #[test]
    fn sizes_and_numbers_are_short() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1_023), "1023 B");
        assert_eq!(human_bytes(1_024), "1.0 KiB");
        assert_eq!(human_bytes(1_048_575), "1.0 MiB");
        assert_eq!(human_bytes(1_500_000), "1.4 MiB");
        assert_eq!(human_bytes(i64::MAX), "8192.0 PiB");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-123), "-123");
        assert_eq!(grouped(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(human_span(90_000_000_000), "90 s");
        assert_eq!(human_span(3 * crate::base::clock::DAY_NS), "3 days");
    }
}
