//! How strongly functions are separated from this machine: what is chosen, what that means, and what is missing.

use crate::cli::SandboxChoice;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use sandbox::{Controllers, HostFeatures, Obstacle, Options, OutboundLack, Spawner, SpawnerError, Tier};

/// How processors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CpuShare {
    /// By the function's memory
    Memory,
    /// Without a limit
    Unlimited,
}

/// What is in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confinement {
    pub(crate) tier: Tier,
    /// Why it is not the strongest, if that was tried.
    pub(crate) obstacle: Option<Obstacle>,
    features: HostFeatures,
    controllers: Controllers,
    /// Why functions have no way out of the machine, in the `namespace` tier.
    outbound: Option<OutboundLack>,
    cpu_share: CpuShare,
    is_root: bool,
}

impl Confinement {
    /// Starts the spawner. Blocks for some milliseconds; before there are threads.
    pub(crate) fn start(choice: SandboxChoice, cpu_share: CpuShare) -> Result<(Spawner, Self)> {
        const FAILED: &str = "execution environments cannot be made";
        let options = |tier| Options {
            tier,
            share_cpu: cpu_share == CpuShare::Memory,
            ..Options::default()
        };
        let (spawner, obstacle) = match choice {
            SandboxChoice::Auto => Spawner::start_strongest(options(Tier::default())).context(FAILED)?,
            SandboxChoice::Process => (Spawner::start(options(Tier::Process)).context(FAILED)?, None),
            SandboxChoice::Namespace => match Spawner::start(options(Tier::Namespace)) {
                Ok(spawner) => (spawner, None),
                Err(SpawnerError::Tier(obstacle)) => bail!(
                    "--sandbox namespace does not start with less, and this machine does not allow it: {obstacle}. {}",
                    sentence(obstacle.advice())
                ),
                Err(error) => return Err(error).context(FAILED),
            },
        };
        let confinement = Self {
            tier: spawner.tier(),
            obstacle,
            features: spawner.host_features(),
            controllers: spawner.controllers(),
            outbound: spawner.outbound_lack(),
            cpu_share,
            is_root: rustix::process::geteuid().is_root(),
        };
        Ok((spawner, confinement))
    }

    /// What the tier keeps from whom, in one sentence.
    pub(crate) fn meaning(&self) -> &'static str {
        match (self.tier, self.is_root) {
            (Tier::Process, _) => {
                "for development: functions run as your own user and see your files, processes and network; \
                 nothing is isolated from a function that means harm"
            }
            (Tier::Namespace, true) => {
                "functions see of this machine only its programs, each other not at all, and run as a user that nobody \
                 else is; they share the kernel with everything else"
            }
            (Tier::Namespace, false) => {
                "functions see of this machine only its programs and each other not at all; to the kernel, which they \
                 share with everything else, they are your own user"
            }
        }
    }

    /// What functions reach that do not name a network.
    pub(crate) fn network(&self) -> &'static str {
        match (self.tier, self.outbound) {
            (Tier::Process, _) => "all that this machine reaches",
            (Tier::Namespace, None) => {
                "public addresses by IPv4, and names; nothing private, and nothing of this machine"
            }
            (Tier::Namespace, Some(_)) => "nothing",
        }
    }

    /// What of the tier this machine does not give.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if let Some(obstacle) = self.obstacle {
            missing.push(format!(
                "the namespace tier does not work here ({obstacle}); {}",
                obstacle.advice()
            ));
        }
        if self.tier == Tier::Namespace {
            if let Some(lack) = self.outbound {
                missing.push(format!(
                    "functions reach no network, and those with `network: outbound` fail: {lack}; {}",
                    lack.advice()
                ));
            }
            if !self.controllers.memory {
                missing.push(
                    "their memory is not limited: that takes a control group with the memory controller in which \
                     albacore may make others, as root has it or a service manager delegates it"
                        .to_owned(),
                );
            }
            if self.cpu_share == CpuShare::Memory && !self.controllers.cpu {
                missing.push(
                    "their share of the processors does not follow their memory: that takes a control group with the cpu \
                     controller in which albacore may make others"
                        .to_owned(),
                );
            }
        }
        if self.features.landlock_version.is_none() {
            missing.push(match self.tier {
                Tier::Process => "this kernel has no Landlock; functions may write wherever you may".to_owned(),
                Tier::Namespace => "this kernel has no Landlock, the second wall around files".to_owned(),
            });
        }
        // The other tier does not start without them.
        if self.tier == Tier::Process && !self.features.seccomp {
            missing.push(
                "this kernel has no filters of system calls; functions may trace other processes of yours and use every \
                 interface of the kernel that you may use"
                    .to_owned(),
            );
        }
        missing
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Confinement, CpuShare};
    use sandbox::{Controllers, HostFeatures, Tier};

    fn of_process_tier(landlock_version: Option<u32>, seccomp: bool) -> Vec<String> {
        let features = HostFeatures {
            user_namespaces: true,
            cgroup: None,
            landlock_version,
            seccomp,
            temporary_mount: true,
        };
        let confinement = Confinement {
            tier: Tier::Process,
            obstacle: None,
            features,
            controllers: Controllers::default(),
            outbound: None,
            cpu_share: CpuShare::Memory,
            is_root: false,
        };
        confinement.missing()
    }

    #[test]
    fn what_the_kernel_has_not_got_is_said() {
        assert_eq!(of_process_tier(Some(6), true), [""; 0]);
        for (landlock_version, seccomp, expected) in [
            (None, true, "no Landlock"),
            (Some(6), false, "no filters of system calls"),
        ] {
            let missing = of_process_tier(landlock_version, seccomp);
            assert!(missing.len() == 1 && missing[0].contains(expected), "{missing:?}");
        }
    }
}
