//! `ui`: the page, for the browser of the user.

use crate::cli::connection::Connection;
use crate::user::rights::user;
use crate::web::{Access, Names, Secrets, router};
use anyhow::Context;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Open the page for release managers: the board, releases, environments, the calendar, what waits, and delivery figures.
///
/// It runs on this machine with your rights until it is interrupted. Nothing is exposed in the cluster. It is opened by a file that only you
/// can read, and which opens it once.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project that is shown first, which is a namespace. Default: the namespace of the context.
    project: Option<String>,
    /// Port on 127.0.0.1. Default: a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Do not start a browser: print the file that opens the page.
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the verb until it is interrupted.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // Credentials are fetched, and programs of the kubeconfig run, before anything listens.
    let reader = arguments.connection.open(arguments.project.as_deref()).await?;
    let writer = arguments.connection.open_to_write().await?.of(reader.project.clone());
    if user(&reader).await.is_none() {
        reader.check().await?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))
        .await
        .with_context(|| format!("cannot listen on port {} of 127.0.0.1", arguments.port))?;
    let address = listener.local_addr()?.to_string();
    let secrets = Secrets::new()?;
    let opening = secrets.opening().unwrap_or_default();
    let folder = opened_by(&format!("http://{address}/#secret={opening}"))?;
    let file = folder.path().join(FILE);
    let names = Names { hosts: Arc::from([address.clone()]), scheme: "http" };
    let router = router(Arc::new(Access::local(secrets, reader, writer)), names);
    writeln!(
        out,
        "The page of this session is http://{address}. It is opened, once, by this file:\n{}",
        file.display()
    )?;
    writeln!(out, "Press Ctrl-C to end it.")?;
    out.flush()?;
    if !arguments.no_browser && open::that_detached(&file).is_err() {
        writeln!(out, "No browser could be started: open the file yourself.")?;
    }
    let end = async {
        // Without the signal, it runs until its terminal ends.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served.context("the page ended")?,
        () = end => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Name of the file that opens the page.
const FILE: &str = "open.html";

/// A folder that only the user can read, with a file that leads to the address. An argument of a browser could be read by others.
fn opened_by(address: &str) -> anyhow::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("towpath-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        folder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    let folder = folder.tempdir().context("cannot create a folder for the file that opens the page")?;
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Towpath</title>\n\
         <meta name=\"referrer\" content=\"no-referrer\"><meta http-equiv=\"refresh\" content=\"0; url={address}\"></head>\n\
         <body><a href=\"{address}\">Open Towpath</a></body></html>\n"
    );
    write(&folder.path().join(FILE), &page).context("cannot write the file that opens the page")?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}
