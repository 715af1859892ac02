//! Where the time of a run went: the longest stories, and what each area took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many of the longest are named.
const NAMED: usize = 8;

/// When a story ran.
pub(crate) struct Time {
    pub(crate) name: String,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
}

/// What the stories of an area took of a run.
#[derive(Clone, Copy, Default)]
struct Share {
    stories: usize,
    time: Duration,
}

/// Prints the stories that a shorter run would have to begin with, then the areas.
pub(crate) fn print(times: &[Time]) {
    let mut longest: Vec<_> = times.iter().map(|it| (it.ended - it.begun, &it.name)).collect();
    longest.sort_unstable();
    for (time, name) in longest.iter().rev().take(NAMED) {
        eprintln!("{:>6.1} s  {name}", time.as_secs_f64());
    }
    eprintln!("\nseconds  stories  area");
    let mut shares: Vec<_> = shares(times).into_iter().collect();
    shares.sort_unstable_by_key(|(_, share)| std::cmp::Reverse(share.time));
    for (area, Share { stories, time }) in shares {
        eprintln!("{:>7.0}  {stories:>7}  {area}", time.as_secs_f64());
    }
}

/// The area of a story is the first part of its name. The stories that run at a moment share that moment equally, so the times of
/// all areas together are that of the run.
fn shares(times: &[Time]) -> BTreeMap<&str, Share> {
    let mut moments: Vec<Instant> = times.iter().flat_map(|it| [it.begun, it.ended]).collect();
    moments.sort_unstable();
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    for it in times {
        shares.entry(area(it)).or_default().stories += 1;
    }
    for pair in moments.windows(2) {
        let [from, to] = pair else { continue };
        let running: Vec<_> = times.iter().filter(|it| it.begun <= *from && it.ended >= *to).collect();
        for it in &running {
            shares.entry(area(it)).or_default().time +=
                (*to - *from) / running.len().try_into().unwrap_or(u32::MAX);
        }
    }
    shares
}

fn area(time: &Time) -> &str {
    time.name.split("::").next().unwrap_or(&time.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_that_run_side_by_side_share_the_time() {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let time =
            |name: &str, begun, ended| Time { name: name.to_owned(), begun: at(begun), ended: at(ended) };
        let times = [time("cases::a", 0, 10), time("cases::b", 0, 4), time("chart::c", 2, 4)];
        let shares = shares(&times);
        // 0 to 2: both of cases. 2 to 4: three stories. 4 to 10: one.
        let seconds = |area: &str| shares[area].time.as_secs_f64();
        assert!((seconds("cases") - (2.0 + 4.0 / 3.0 + 6.0)).abs() < 1e-6);
        assert!((seconds("chart") - 2.0 / 3.0).abs() < 1e-6);
        assert_eq!((shares["cases"].stories, shares["chart"].stories), (2, 1));
    }
}
