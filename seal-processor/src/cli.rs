//! The command line. Wrong usage ends the process with status 2 and says why.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{value_parser, Arg, ArgAction, ArgMatches};

use crate::params::{self, Kind};
use crate::sizes::SectorSize;
use crate::stages::{self, Stage};

pub enum Command {
    Job {
        stage: &'static Stage,
        task: PathBuf,
        output: PathBuf,
    },
    Stream(&'static Stage),
    Stages,
    CheckParams(params::Request),
    Params(params::Request),
}

pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Command {
    understand(&grammar().get_matches_from(arguments))
}

fn understand(matches: &ArgMatches) -> Command {
    match matches.subcommand() {
        Some(("stages", _)) => Command::Stages,
        Some(("params", rest)) => params_command(rest),
        Some(("processor", rest)) => Command::Stream(stage_named(&text(rest, "stage"))),
        Some((name, rest)) => stage_command(stage_named(name), rest),
        None => unreachable!("a subcommand is required"),
    }
}

fn stage_command(stage: &'static Stage, matches: &ArgMatches) -> Command {
    if matches.get_flag("stream") {
        return Command::Stream(stage);
    }
    Command::Job {
        stage,
        task: path(matches, "task").expect("required"),
        output: path(matches, "output").expect("required"),
    }
}

fn params_command(matches: &ArgMatches) -> Command {
    let request = params::Request {
        size: SectorSize::named(&text(matches, "sector-size")).expect("one of the names"),
        kinds: kinds(&text(matches, "kind")),
        cache: path(matches, "cache"),
    };
    if matches.get_flag("check") {
        Command::CheckParams(request)
    } else {
        Command::Params(request)
    }
}

fn kinds(name: &str) -> Vec<Kind> {
    Kind::ALL
        .into_iter()
        .filter(|kind| name == "all" || name == kind.name())
        .collect()
}

fn stage_named(name: &str) -> &'static Stage {
    stages::named(name).expect("one of the names")
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).expect("required").clone()
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

fn grammar() -> clap::Command {
    clap::Command::new("seal-processor")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs one stage of Filecoin sealing, as a one-shot job or over a line protocol")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(params_grammar())
        .subcommand(clap::Command::new("stages").about("Print the names of the stages as JSON"))
        .subcommand(processor_grammar())
        .subcommands(stages::ALL.iter().map(stage_grammar))
}

fn stage_grammar(stage: &Stage) -> clap::Command {
    clap::Command::new(stage.name)
        .about(stage.about)
        .arg(file("task", "The task, a JSON file").required_unless_present("stream"))
        .arg(file("output", "Where the answer goes").required_unless_present("stream"))
        .arg(
            flag("stream", "Take tasks as lines on standard input")
                .conflicts_with_all(["task", "output"]),
        )
}

fn processor_grammar() -> clap::Command {
    clap::Command::new("processor")
        .about("The same as <stage> --stream, in damocles' words")
        .arg(
            Arg::new("stage")
                .required(true)
                .value_parser(PossibleValuesParser::new(stages::names())),
        )
}

fn params_grammar() -> clap::Command {
    let sizes = SectorSize::ALL.map(SectorSize::name);
    clap::Command::new("params")
        .about("Make the Groth16 parameters of a sector size, or check that they are there")
        .arg(choice("sector-size", sizes).required(true).ignore_case(true))
        .arg(choice("kind", ["porep", "update", "all"]).default_value("all"))
        .arg(file(
            "cache",
            "The parameter cache [default: $FIL_PROOFS_PARAMETER_CACHE or /var/tmp/filecoin-proof-parameters]",
        ))
        .arg(flag("check", "Only look, and print JSON; status 1 if some are missing"))
}

fn choice<const N: usize>(name: &'static str, values: [&'static str; N]) -> Arg {
    Arg::new(name)
        .long(name)
        .value_parser(PossibleValuesParser::new(values))
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("PATH")
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        let words = line.split(' ');
        grammar()
            .try_get_matches_from(words)
            .map(|m| understand(&m))
    }

    #[test]
    fn grammar_is_consistent() {
        grammar().debug_assert();
    }

    #[test]
    fn both_spellings_of_a_stream_are_understood() {
        for line in [
            "seal-processor pc1 --stream",
            "seal-processor processor pc1",
        ] {
            assert!(matches!(parsed(line), Ok(Command::Stream(stage)) if stage.name == "pc1"));
        }
    }

    #[test]
    fn a_job_needs_both_files() {
        assert!(parsed("seal-processor pc1 --task a --output b").is_ok());
        assert!(parsed("seal-processor pc1 --task a").is_err());
        assert!(parsed("seal-processor pc1 --task a --output b --stream").is_err());
    }

    #[test]
    fn params_takes_a_size_in_any_case_and_all_kinds_by_default() {
        let Ok(Command::Params(request)) = parsed("seal-processor params --sector-size 2kib")
        else {
            panic!("not understood");
        };
        assert_eq!(request.size, SectorSize::KiB2);
        assert_eq!(request.kinds, Kind::ALL);
    }
}
