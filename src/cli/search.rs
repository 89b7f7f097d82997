//! `search`: lines and moments that hold a text, the last arrived first.

use std::io;

use super::exit::{CliError, Exit};
use super::paging::PageArgs;
use super::stream::{self, inclusive, row, severity_word};
use super::term::{Ink, grouped, visible};
use super::when::local;
use super::{Context, folder};
use crate::store::log::{LogStore as _, Logs, Mode, RESULTS_MAX, Search, StoredEvent};

const EXAMPLES: &str = "\
Examples:
  nightjar search failed password              these words beside each other, by their stems
  nightjar search --exact \"port 40022\"         these very characters
  nightjar search timeout --since 7d --csv     for a program
  nightjar search timeout --before 48211       the next page
  nightjar query events --text timeout --source heron/nginx --severity warning";

/// Columns for the severity.
const SEVERITY_WIDTH: usize = 8;
/// Columns for the source; longer ones move the rest.
const SOURCE_WIDTH: usize = 20;

/// Characters of a message that people are shown; a line may have 64 KiB. Programs get all.
const MESSAGE_CHARS: usize = 1_000;
/// Characters before the first find that are left of a longer one.
const BEFORE_CHARS: usize = 200;

/// Arguments of `search`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// What to search for: words beside each other. `fail password` finds "Failed passwords"; the
    /// signs of other searches (AND, OR, *, quotes) mean nothing here
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,
    /// Search for these very characters, also within words, upper and lower case told apart. Slower:
    /// the newest 200,000 lines and moments are looked through, and how to go on is told
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let (since, until) = args.page.range(context)?;
    if args.page.limit() > RESULTS_MAX {
        let text = format!(
            "--limit: a search shows at most {}",
            grouped(RESULTS_MAX.into())
        );
        return Err(CliError::new(Exit::Usage, text));
    }
    let search = Search {
        text: args.words.join(" "),
        mode: if args.exact { Mode::Exact } else { Mode::Words },
        since,
        until: inclusive(until),
        before: args.page.before,
        limit: args.page.limit(),
    };
    let mut logs = Logs::reading(folder::open_reader(&context.folder)?);
    let found = logs.search_text(&search)?;
    let next = found.next.map(|next| next.to_string());
    let next = next.as_deref();
    if !args.page.is_table() {
        let mut writer = stream::begin(args.page.format(), context)?;
        for event in &found.events {
            writer.row(context.out, row(event))?;
        }
        return stream::end(writer, "--before", next, found.stopped, context);
    }
    for event in &found.events {
        let message = message(&mut logs, &search, event, context)?;
        write_line(event, &message, context)?;
    }
    if found.events.is_empty() {
        writeln!(context.out, "nothing was found")?;
    }
    stream::tell_rest("--before", next, found.stopped, context)
}

/// The message with what was searched for in it set off, where there are colours; of a long one the
/// part around it.
fn message(
    logs: &mut Logs,
    search: &Search,
    event: &StoredEvent,
    context: &Context<'_>,
) -> Result<String, CliError> {
    let screen = context.screen;
    let is_long = event.message.chars().count() > MESSAGE_CHARS;
    if !screen.color && !is_long {
        return Ok(visible(&event.message).into_owned());
    }
    let mut pieces = match search.mode {
        Mode::Words => logs.marked(&search.text, event)?,
        Mode::Exact => around(&event.message, &search.text),
    };
    if is_long {
        shorten(&mut pieces);
    }
    let painted = pieces.iter().enumerate().map(|(place, piece)| {
        let ink = if place % 2 == 1 { Ink::Bad } else { Ink::Plain };
        screen.paint(ink, &visible(piece)).into_owned()
    });
    Ok(painted.collect())
}

/// Leaves a little of what stands before the first find, and what follows as far as it fits.
fn shorten(pieces: &mut Vec<String>) {
    if let [before, _, ..] = pieces.as_mut_slice() {
        let surplus = before.chars().count().saturating_sub(BEFORE_CHARS);
        if let Some((start, _)) = before.char_indices().nth(surplus).filter(|_| surplus > 0) {
            before.replace_range(..start, "…");
        }
    }
    let mut left = MESSAGE_CHARS;
    for place in 0..pieces.len() {
        let piece = &mut pieces[place];
        if let Some((end, _)) = piece.char_indices().nth(left) {
            piece.truncate(end);
            piece.push('…');
            pieces.truncate(place + 1);
            return;
        }
        left -= piece.chars().count();
    }
}

/// The message in pieces; those at odd places are the text.
fn around(message: &str, text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = 0;
    for (at, found) in message.match_indices(text) {
        pieces.extend([message[rest..at].to_owned(), found.to_owned()]);
        rest = at + found.len();
    }
    pieces.push(message[rest..].to_owned());
    pieces
}

fn write_line(event: &StoredEvent, message: &str, context: &mut Context<'_>) -> io::Result<()> {
    let ink = match event.severity {
        0..=2 => Ink::Plain,
        3 => Ink::Warning,
        4 => Ink::Bad,
        5.. => Ink::Worst,
    };
    let severity = format!("{:<SEVERITY_WIDTH$}", severity_word(event));
    let source = format!("{}/{}", event.source_type, event.source_id);
    writeln!(
        context.out,
        "{}  {}  {:<SOURCE_WIDTH$}  {message}",
        local(event.at, &context.zone),
        context.screen.paint(ink, &severity),
        visible(&source),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_shown_around_what_was_found() {
        let message = format!("{}needle{}", "a".repeat(5_000), "b".repeat(5_000));
        let mut pieces = around(&message, "needle");
        shorten(&mut pieces);
        let shown = pieces.concat();
        assert_eq!(shown.chars().count(), MESSAGE_CHARS + 1);
        assert!(shown.starts_with(&format!("…{}needleb", "a".repeat(BEFORE_CHARS))));
        assert!(shown.ends_with("b…"));
        let mut whole = vec!["ä".repeat(2_000)];
        shorten(&mut whole);
        assert_eq!(whole, [format!("{}…", "ä".repeat(MESSAGE_CHARS))]);
        let mut ends = around(&message[..5_006], "needle");
        shorten(&mut ends);
        assert_eq!(
            ends.concat(),
            format!("…{}needle", "a".repeat(BEFORE_CHARS))
        );
    }

    #[test]
    fn a_text_is_set_off_wherever_it_stands() {
        assert_eq!(around("aXbXX", "X"), ["a", "X", "b", "X", "", "X", ""]);
        assert_eq!(around("ab", "X"), ["ab"]);
    }
}
