//! `coalmine demo`: the whole round in half a minute, in one process, with nothing else installed.
//!
//! Two small backends, the balancer in front of them with alerts in memory, and a little traffic. The canary is broken,
//! ejected, repaired and re-admitted; what is printed is measured from the traffic and from what the balancer tells.

mod backend;
mod screen;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::watch;

use self::backend::Backend;
use self::screen::Screen;
use self::traffic::Traffic;
use super::serve;
use crate::app::{App, Inherited, Keepsake, Sockets};
use crate::control::{FleetStatus, State};
use crate::shutdown::Signals;
use crate::{config, telemetry};

const SERVICE: &str = "demo";
/// How long each act is shown.
const ACT: Duration = Duration::from_secs(4);
/// Within this time the balancer must have seen what was done to the canary.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End after one ejection and recovery instead of serving on
    #[arg(long)]
    once: bool,
    /// Where the balancer listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where its admin listener listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9900")]
    admin: SocketAddr,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = serve::runtime()?;
    let outcome = runtime.block_on(show(arguments));
    runtime.shutdown_background();
    outcome
}

async fn show(arguments: &Arguments) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("signals can't be handled")?;
    let stable = Backend::start("v1").await?;
    let canary = Backend::start("v2").await?;
    let settings = config::parse(&configuration(arguments, &stable, &canary))?;
    telemetry::init(&settings.log);
    let sockets = Sockets::bind(&settings, Inherited::default())?;
    let mut app = App::start(settings, sockets, Keepsake::default()).await?;
    app.open(None)?;
    let address = *app.http.first().context("the demo listens nowhere")?;
    let traffic = Traffic::start(address)?;
    let mut screen = Screen::new(app.status.clone(), traffic.counts());
    screen.say(&format!("balancer on http://{address}, admin on http://{}/api/v1/services", app.admin));

    tokio::select! {
        outcome = acts(&mut screen, &canary, app.status.clone(), arguments.once) => outcome?,
        signal = signals.next() => screen.say(&format!("{signal}: stopping")),
    }
    traffic.stop();
    app.stop().await;
    Ok(())
}

/// The round trip, and then traffic for as long as the process runs.
async fn acts(
    screen: &mut Screen,
    canary: &Backend,
    mut status: watch::Receiver<Arc<FleetStatus>>,
    once: bool,
) -> anyhow::Result<()> {
    wait(&mut status, State::Admitted).await?;
    screen.begin("canary admitted: the split is 2:1");
    screen.watch(ACT).await;

    let broken = Instant::now();
    canary.break_down(true);
    screen.begin("canary broken: v2 answers 500 to everything, its probe as well");
    wait(&mut status, State::Ejected).await?;
    let took = broken.elapsed();
    screen.begin(&format!("canary EJECTED {:.0} ms after it broke: stable takes all", took.as_secs_f64() * 1e3));
    screen.watch(ACT).await;

    let repaired = Instant::now();
    canary.break_down(false);
    screen.begin("canary repaired");
    wait(&mut status, State::Admitted).await?;
    let took = repaired.elapsed();
    screen.begin(&format!("canary RE-ADMITTED {:.0} ms after its repair: the split is 2:1", took.as_secs_f64() * 1e3));
    screen.watch(ACT).await;

    screen.summary();
    if once {
        return Ok(());
    }
    screen.begin("serving on; Ctrl-C ends it");
    screen.watch(Duration::MAX).await;
    Ok(())
}

async fn wait(status: &mut watch::Receiver<Arc<FleetStatus>>, wanted: State) -> anyhow::Result<()> {
    let reached = status.wait_for(|status| screen::gate(status).is_some_and(|gate| gate.state == wanted));
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached
        .with_context(|| format!("the canary is not {wanted:?} after {PATIENCE:?}"))?
        .context("the controller ended")?;
    Ok(())
}

fn configuration(arguments: &Arguments, stable: &Backend, canary: &Backend) -> String {
    let Arguments { listen, admin, .. } = arguments;
    let (stable, canary) = (stable.address, canary.address);
    format!(
        r#"
        listen = {{ http = ["{listen}"], drain = "2s" }}
        admin = {{ listen = "{admin}" }}
        log = {{ level = "error" }}
        [[service]]
        name = "{SERVICE}"
        served_by_header = true
        stable = {{ weight = 2, backends = ["{stable}"] }}
        canary = {{ weight = 1, backends = ["{canary}"] }}
        "#
    )
}
