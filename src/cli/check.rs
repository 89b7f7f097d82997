//! `check`: whether the database and the recordings folder are whole.

use std::path::PathBuf;

use super::exit::{CliError, Exit};
use super::term::{Ink, visible};
use super::{Context, folder};
use crate::read_model;
use crate::storage::StorageError;
use crate::writer::check::{Finding, check, unopenable};

const EXAMPLES: &str = "\
Examples:
  nightjar check                        0: all is well, 1: problems were found
  nightjar check --json
  nightjar check --dir /mnt/backup/nightjar --recordings /mnt/backup/recordings";

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The folder of the recordings [default: recordings in the data folder]
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let inside = context.folder.join(folder::RECORDINGS_FOLDER);
    let recordings = args.recordings.as_ref().unwrap_or(&inside);
    let findings = match folder::try_open(&context.folder)? {
        Ok(mut database) => check(&mut database, read_model::ALL, recordings)?,
        Err(error @ StorageError::Corrupt(_)) => vec![unopenable(&error)],
        Err(error) => return Err(folder::refused(&context.folder, error)),
    };
    let failed = findings.iter().filter(|finding| !finding.is_ok()).count();
    if args.json {
        show_json(&findings, context)?;
    } else {
        show(&findings, context)?;
    }
    if failed > 0 {
        context.out.flush()?;
        let text = format!("{failed} of {} checks found problems", findings.len());
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    Ok(())
}

fn show(findings: &[Finding], context: &mut Context<'_>) -> std::io::Result<()> {
    let screen = context.screen;
    let out = &mut *context.out;
    for finding in findings {
        let name = format!("{:<13}", finding.name);
        if finding.is_ok() {
            let ok = screen.paint(Ink::Good, "ok  ");
            writeln!(out, "{ok}  {name} {}", finding.summary)?;
            continue;
        }
        let failed = screen.paint(Ink::Worst, "FAIL");
        for (index, problem) in finding.problems.iter().enumerate() {
            if index == 0 {
                writeln!(out, "{failed}  {name} {}", visible(problem))?;
            } else {
                writeln!(out, "{:19} {}", "", visible(problem))?;
            }
        }
        writeln!(out, "{:19} → {}", "", finding.remedy)?;
    }
    Ok(())
}

fn show_json(findings: &[Finding], context: &mut Context<'_>) -> std::io::Result<()> {
    let checks: Vec<_> = findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "name": finding.name,
                "ok": finding.is_ok(),
                "summary": finding.is_ok().then_some(&finding.summary),
                "problems": finding.problems,
                "remedy": (!finding.is_ok()).then_some(finding.remedy),
            })
        })
        .collect();
    let ok = findings.iter().all(Finding::is_ok);
    let object = serde_json::json!({ "ok": ok, "checks": checks });
    writeln!(context.out, "{object:#}")
}
