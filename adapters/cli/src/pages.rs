//! `completions` and `man`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::{Failure, Status};
use crate::output::Output;

pub(crate) fn completions(shell: Shell, output: &Output) -> Result<Status, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "cloakroom", &mut text);
    print(output, &text)
}

/// One page with every subcommand.
pub(crate) fn man(output: &Output) -> Result<Status, Failure> {
    let mut text = Vec::new();
    let mut command = Args::command();
    command.build();
    let render = |text: &mut Vec<u8>| -> std::io::Result<()> {
        clap_mangen::Man::new(command.clone()).render(text)?;
        for sub in command.get_subcommands() {
            let heading = format!("cloakroom {}", sub.get_name()).to_uppercase();
            let page = clap_mangen::Man::new(sub.clone());
            text.extend(format!(".SH \"{heading}\"\n").bytes());
            page.render_description_section(text)?;
            page.render_synopsis_section(text)?;
        }
        Ok(())
    };
    match render(&mut text) {
        Ok(()) => print(output, &text),
        Err(error) => Err(Failure::refused(format!(
            "the page cannot be made: {error}"
        ))),
    }
}

fn print(output: &Output, text: &[u8]) -> Result<Status, Failure> {
    output.print(&String::from_utf8_lossy(text))?;
    Ok(Status::Done)
}
