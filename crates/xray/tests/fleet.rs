//! 20 instances, 10,000 requests a second, one reservoir: a simulated clock, no threads, no sleep.

use std::time::Duration;

use throughline_xray::sampling::{
    ClientId, Quotas, Request, Rule, RuleRecord, Sampler, TargetsRequest, targets_pause,
};

const INSTANCES: usize = 20;
const REQUESTS_PER_SECOND: u64 = 10_000;
const START: Duration = Duration::from_secs(1_700_000_000);
/// Three rounds of reports: the first grants all of it to whoever asks first, the second frees that, the third reaches
/// those whom chance let ask just before it was freed.
const WARM_UP: u64 = 35;

struct Instance {
    sampler: Sampler,
    next_report: Duration,
    alive: bool,
}

struct Fleet {
    instances: Vec<Instance>,
    quotas: Quotas,
    rules: Vec<RuleRecord>,
    /// SplitMix64, so that a run is the same each time.
    random: u64,
}

impl Fleet {
    fn new(reservoir: u32) -> Self {
        let rule = Rule {
            rule_name: "fleet".to_owned(),
            priority: 1,
            reservoir_size: reservoir,
            fixed_rate: 0.0,
            ..Rule::default()
        };
        let rules = vec![RuleRecord { sampling_rule: rule, ..RuleRecord::default() }];
        let mut fleet = Self { instances: Vec::new(), quotas: Quotas::default(), rules, random: 1 };
        for number in 0..INSTANCES {
            fleet.join(number as u8, START);
        }
        fleet
    }

    fn join(&mut self, number: u8, now: Duration) {
        let mut sampler = Sampler::new(ClientId::new([number; 12]));
        sampler.load(self.rules.clone(), now);
        let next_report = now + targets_pause(self.chance());
        self.instances.push(Instance { sampler, next_report, alive: true });
    }

    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One second of the fleet; how many were sampled.
    fn second(&mut self, second: u64) -> u64 {
        let mut sampled = 0;
        let alive: Vec<usize> = (0..self.instances.len()).filter(|it| self.instances[*it].alive).collect();
        for request in 0..REQUESTS_PER_SECOND {
            let now = START
                + Duration::from_secs(second)
                + Duration::from_micros(request * 1_000_000 / REQUESTS_PER_SECOND);
            let random = self.chance();
            // A balancer that throws dice.
            let chosen = alive[(self.chance() * alive.len() as f64) as usize];
            self.report(chosen, now);
            sampled +=
                u64::from(self.instances[chosen].sampler.decide(&Request::default(), now, random).sampled);
        }
        sampled
    }

    fn report(&mut self, chosen: usize, now: Duration) {
        if now < self.instances[chosen].next_report {
            return;
        }
        let jitter = self.chance();
        let instance = &mut self.instances[chosen];
        instance.next_report = now + targets_pause(jitter);
        for request in instance.sampler.reports(now) {
            // Over the wire and back.
            let sent: TargetsRequest =
                serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
            let response = self.quotas.answer(&sent, &self.rules, now);
            let text = serde_json::to_string(&response).unwrap();
            instance.sampler.apply(&request, &serde_json::from_str(&text).unwrap());
        }
    }
}

fn within_five_percent(sampled: u64, reservoir: u32) -> bool {
    let (sampled, reservoir) = (sampled as f64, f64::from(reservoir));
    (sampled - reservoir).abs() <= reservoir * 0.05
}

#[test]
fn the_reservoir_is_respected_by_the_whole_fleet() {
    for reservoir in [1, 7, 50] {
        let mut fleet = Fleet::new(reservoir);
        let seconds: Vec<u64> = (0..WARM_UP + 15).map(|second| fleet.second(second)).collect();
        // Before the first report each may borrow one, and no more.
        assert!(seconds[..9].iter().all(|sampled| *sampled <= INSTANCES as u64), "{reservoir}: {seconds:?}");
        for sampled in &seconds[WARM_UP as usize..] {
            assert!(within_five_percent(*sampled, reservoir), "a reservoir of {reservoir}: {seconds:?}");
        }
    }
}

#[test]
fn the_reservoir_survives_a_deployment() {
    const RESERVOIR: u32 = 100;
    let mut fleet = Fleet::new(RESERVOIR);
    let mut second = 0;
    let mut run = |fleet: &mut Fleet, seconds: u64| {
        let sampled: Vec<u64> = (0..seconds).map(|offset| fleet.second(second + offset)).collect();
        second += seconds;
        sampled
    };
    run(&mut fleet, WARM_UP);
    // Half of the fleet goes, as many come.
    fleet.instances[..10].iter_mut().for_each(|instance| instance.alive = false);
    for number in 0..10 {
        fleet.join(100 + number, START + Duration::from_secs(WARM_UP));
    }
    let during = run(&mut fleet, 60);
    // Shares are never given twice: what the newcomers borrow is all that can be too much.
    assert!(during.iter().all(|sampled| *sampled <= u64::from(RESERVOIR) + 10), "{during:?}");
    let after = run(&mut fleet, 10);
    assert!(after.iter().all(|sampled| within_five_percent(*sampled, RESERVOIR)), "{during:?} {after:?}");
}
