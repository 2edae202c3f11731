//! A lab: its hosts, their cables, and what the network does to them.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::relay::{Relay, machine_address};
use crate::system::{ip, run};
use crate::table::Table;
use crate::{Condition, LabError, kernel, leftovers};

/// The burst lets whole GSO packets through; the queue holds 40 ms, a little more than a good router's.
const SHAPE: [&str; 4] = ["burst", "256kb", "latency", "40ms"];
const MOST_HOSTS: usize = 16;

/// What a lab is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its hosts, by name.
    pub hosts: Vec<String>,
    /// What each may send, in the words of `tc` (`1gbit`); no limit if none.
    pub rate: Option<String>,
    /// Where chance begins.
    pub seed: u64,
    /// The lab's name; one made of this process's id if none.
    pub tag: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { hosts: vec!["a".into(), "b".into()], rate: None, seed: 1, tag: None }
    }
}

/// Hosts and the network between them. Dropped, all of it goes.
#[derive(Debug)]
pub struct Lab {
    tag: String,
    hosts: Vec<String>,
    namespaces: Vec<String>,
    seed: u64,
    table: Arc<Table>,
    /// Once a condition was set. Held while the ports of the hub are moved.
    relay: Mutex<Option<Relay>>,
}

impl Lab {
    /// Brings a lab up, and takes down what killed processes left behind.
    ///
    /// # Errors
    /// Not root, a name that is taken or makes no sense, a rate that `tc` does not know. Nothing stays then.
    pub fn up(plan: &Plan) -> Result<Lab, LabError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tag = plan.tag.clone().unwrap_or_else(|| format!("lab{}-{number}", std::process::id()));
        std::iter::once(&tag).chain(&plan.hosts).try_for_each(|name| check_name(name))?;
        if plan.hosts.is_empty()
            || plan.hosts.len() > MOST_HOSTS
            || plan.hosts.iter().any(|name| name == "hub")
        {
            return Err(LabError::asked(format!(
                "a lab has 1 to {MOST_HOSTS} hosts, none of them called hub"
            )));
        }
        leftovers::sweep();
        leftovers::claim(&tag)?;
        let lab = Lab {
            namespaces: plan.hosts.iter().map(|host| format!("{tag}.{host}")).collect(),
            hosts: plan.hosts.clone(),
            seed: plan.seed,
            table: Arc::new(Table::new(plan.hosts.len())),
            relay: Mutex::new(None),
            tag,
        };
        lab.lay()?;
        if let Some(rate) = &plan.rate {
            (0..lab.hosts.len()).try_for_each(|host| lab.shape(host, rate))?;
        }
        Ok(lab)
    }

    fn hub(&self) -> String {
        format!("{}.hub", self.tag)
    }

    /// The hub with a bridge, and a cable from it to each host. Multicast reaches all hosts (bridges do not snoop,
    /// the relay copies), and needs no route: who speaks mDNS names the interface.
    fn lay(&self) -> Result<(), LabError> {
        let hub = self.hub();
        ip(&format!("netns add {hub}"))?;
        // Where bridges ask the firewall (Docker has them do so), these need not: it costs time for each packet.
        inside(&hub, || {
            for asked in ["arptables", "ip6tables", "iptables"] {
                let _ = fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{asked}"), "0");
            }
        })?;
        self.add_bridge("wire")?;
        for (host, namespace) in self.namespaces.iter().enumerate() {
            let [a, b, c, d, e, f] = machine_address(host);
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
            ip(&format!("-n {hub} link add h{host} type veth peer name eth0 netns {namespace}"))?;
            ip(&format!(
                "-n {namespace} link set eth0 address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"
            ))?;
            ip(&format!("-n {namespace} addr add {}/24 dev eth0", self.address(host)))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {hub} link set h{host} master wire up"))?;
        }
        self.introduce()
    }

    /// Tells each host the machine addresses of the others, so that no packet asks for them.
    fn introduce(&self) -> Result<(), LabError> {
        for (host, namespace) in self.namespaces.iter().enumerate() {
            for other in (0..self.hosts.len()).filter(|other| *other != host) {
                let [a, b, c, d, e, f] = machine_address(other);
                let machine = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
                let address = self.address(other);
                ip(&format!(
                    "-n {namespace} neigh replace {address} lladdr {machine} dev eth0 nud permanent"
                ))?;
            }
        }
        Ok(())
    }

    fn add_bridge(&self, name: &str) -> Result<(), LabError> {
        let hub = self.hub();
        ip(&format!("-n {hub} link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"))?;
        ip(&format!("-n {hub} link set {name} up")).map(drop)
    }

    /// Limits what a host sends, in the words of `tc`.
    fn shape(&self, host: usize, rate: &str) -> Result<(), LabError> {
        let Some(namespace) = self.namespaces.get(host) else { return Ok(()) };
        let qdisc = ["-n", namespace, "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate];
        run("tc", &[&qdisc[..], &SHAPE].concat()).map(drop)
    }

    /// The lab's name.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The names of its hosts.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The number of a host.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn host(&self, name: &str) -> Result<usize, LabError> {
        let unknown =
            || LabError::asked(format!("{name}: no such host, there are {}", self.hosts.join(", ")));
        self.hosts.iter().position(|host| host == name).ok_or_else(unknown)
    }

    /// The network namespace of a host, below `/run/netns`; empty for a host that is not.
    pub fn namespace(&self, host: usize) -> &str {
        self.namespaces.get(host).map_or("", String::as_str)
    }

    /// The address of a host.
    pub fn address(&self, host: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, u8::try_from(host + 1).unwrap_or(u8::MAX))
    }

    /// Does something in the network of a host, on a thread of its own. Sockets made there stay there.
    ///
    /// # Errors
    /// The host cannot be entered, or the work panicked.
    pub fn on<T: Send>(&self, host: usize, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        inside(self.namespace(host), work)
    }

    /// Limits what a host sends from now on, in the words of `tc`.
    ///
    /// # Errors
    /// `tc` does not know such a rate.
    pub fn set_rate(&self, host: usize, rate: &str) -> Result<(), LabError> {
        self.shape(host, rate)
    }

    /// Changes the conditions of all directions from one of `from` to one of `to`.
    ///
    /// # Errors
    /// The change is refused, or there can be no relay here.
    pub fn change(
        &self,
        from: &[usize],
        to: &[usize],
        change: impl Fn(&mut Condition) -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        change(&mut Condition::default())?;
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            let mut outcome = Ok(());
            self.table.change(from, to, |direction| outcome = change(&mut direction.condition));
            outcome?;
        }
        self.route()
    }

    /// Lets the kernel carry everything if all is clear, else the relay.
    fn route(&self) -> Result<(), LabError> {
        let mut relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = self.table.all_clear();
        if clear == relay.is_none() {
            return Ok(());
        }
        let hub = self.hub();
        if !clear {
            let started = Relay::start(&hub, Arc::clone(&self.table), self.seed)?;
            for host in 0..self.hosts.len() {
                self.add_bridge(&format!("r{host}"))?;
                ip(&format!("-n {hub} link set t{host} txqueuelen 20000 master r{host} up"))?;
            }
            *relay = Some(started);
        }
        for host in 0..self.hosts.len() {
            let bridge = if clear { "wire".to_owned() } else { format!("r{host}") };
            ip(&format!("-n {hub} link set h{host} master {bridge}"))?;
        }
        if clear {
            *relay = None; // what is under way is lost, as with any cable that is changed
            (0..self.hosts.len()).try_for_each(|host| ip(&format!("-n {hub} link del r{host}")).map(drop))?;
        }
        Ok(())
    }

    /// Pulls the cable of a host out, which it notices, or puts it back.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn plug(&self, host: usize, plugged: bool) -> Result<(), LabError> {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {} link set h{host} {state}", self.hub())).map(drop)
    }

    /// Bytes that a host has sent and received so far, by its interface's own count.
    ///
    /// # Errors
    /// The count cannot be read.
    pub fn traffic(&self, host: usize) -> Result<(u64, u64), LabError> {
        // A thread's own view: `/proc/net` is the main thread's.
        let counts = self.on(host, || fs::read_to_string("/proc/thread-self/net/dev"))?;
        let counts = counts.map_err(LabError::system("the count of bytes"))?;
        let line = counts.lines().find_map(|line| line.trim().strip_prefix("eth0:")).unwrap_or_default();
        let counts: Vec<u64> = line.split_whitespace().filter_map(|count| count.parse().ok()).collect();
        match counts.as_slice() {
            [received, _, _, _, _, _, _, _, sent, ..] => Ok((*sent, *received)),
            _ => Err(LabError::asked("no count of bytes")),
        }
    }

    /// What the network is like, a line for each direction.
    pub fn show(&self) -> String {
        let mut shown = format!("{}\n", self.tag);
        for (host, name) in self.hosts.iter().enumerate() {
            let _ = writeln!(shown, "  {name}  {}  namespace {}", self.address(host), self.namespace(host));
        }
        let all = 0..self.hosts.len();
        for (from, to) in all.clone().flat_map(|from| all.clone().map(move |to| (from, to))) {
            let (Some(here), Some(there)) = (self.hosts.get(from), self.hosts.get(to)) else { continue };
            if from != to {
                let way = self.table.direction(from, to);
                let crate::table::Counts { packets, bytes, lost, overrun } = way.counts;
                let counts = format!("packets={packets} bytes={bytes} lost={lost} overrun={overrun}");
                let _ = writeln!(shown, "  {here} to {there}: {}  {counts}", way.condition);
            }
        }
        shown
    }

    /// The labs that are up on this machine.
    pub fn all() -> Vec<String> {
        leftovers::labs()
    }

    /// Where a lab is told what to do.
    pub(crate) fn control(tag: &str) -> std::path::PathBuf {
        leftovers::folder(tag).join("control")
    }

    /// The folder with what belongs to a lab; gone with it.
    pub fn folder(&self) -> std::path::PathBuf {
        leftovers::folder(&self.tag)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = None;
        leftovers::take_down(&self.tag);
        let _ = fs::remove_dir_all(leftovers::folder(&self.tag));
    }
}

/// Does something in a network namespace, on a thread of its own.
fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    let namespace = fs::File::open(format!("/run/netns/{namespace}"));
    let namespace = namespace.map_err(LabError::system("a network namespace"))?;
    let entered = move || kernel::enter_network(&namespace).map(|()| work());
    let done = std::thread::scope(|scope| scope.spawn(entered).join());
    done.map_err(|_| LabError::asked("the work panicked"))?
}

fn check_name(name: &str) -> Result<(), LabError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let odd = || LabError::asked(format!("{name:?}: a name here is 1 to 32 letters, digits and dashes"));
    (!name.is_empty() && name.len() <= 32 && name.chars().all(good)).then_some(()).ok_or_else(odd)
}
