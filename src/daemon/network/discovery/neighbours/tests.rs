//! Who is asked, who is known, and what a liar gets.

use proptest::prelude::*;

use super::*;

const TODAY: Day = 20_000;

fn heard(name: &str, addresses: &[&str]) -> Heard {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Heard { name: name.to_owned(), addresses, day: TODAY }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn device(number: u8) -> DevicePublic {
    DevicePublic([number; 32])
}

/// Hears of one and has it answer at its first address.
fn met(neighbours: &mut Neighbours, heard: Heard, who: u8, now: Duration) {
    let (name, address) = (heard.name.clone(), heard.addresses[0]);
    neighbours.hear(heard, now);
    assert_eq!(neighbours.questions(now, 8).len(), 1);
    neighbours.answered(&name, Some((address, device(who))), now);
}

#[test]
fn who_answers_is_known_where_it_answered_and_asked_no_more() {
    let mut neighbours = Neighbours::default();
    neighbours.hear(heard("a", &["[fe80::1%2]:7", "[fd00::1]:7", "10.0.0.1:7"]), at(0));
    let [question] = <[_; 1]>::try_from(neighbours.questions(at(0), 8)).unwrap();
    let asked: Vec<_> = question.addresses.iter().map(SocketAddr::to_string).collect();
    assert_eq!(asked, ["10.0.0.1:7", "[fd00::1]:7", "[fe80::1%2]:7"], "the likeliest first");
    assert!(neighbours.questions(at(0), 8).is_empty(), "it is being asked");
    assert!(neighbours.places(&device(1)).is_empty(), "an announcement proves nothing");
    neighbours.answered("a", Some((question.addresses[1], device(1))), at(1));
    assert_eq!(neighbours.places(&device(1)), ["[fd00::1]:7"]);
    neighbours.hear(heard("a", &["10.0.0.1:7", "[fd00::1]:7", "[fe80::1%2]:7"]), at(2));
    assert!(neighbours.questions(at(9999), 8).is_empty());
}

#[test]
fn who_does_not_answer_is_asked_a_few_times_and_then_seldom() {
    let mut neighbours = Neighbours::default();
    neighbours.hear(heard("a", &["10.0.0.1:7"]), at(0));
    let mut asked = Vec::new();
    for second in 0..1300 {
        for question in neighbours.questions(at(second), 8) {
            asked.push(second);
            neighbours.answered(&question.name, None, at(second));
        }
    }
    assert_eq!(asked, [0, 1, 5, 21, 621, 1221]);
    // Under new names it is asked once for each, and no quick tries follow.
    for name in ["b", "c"] {
        neighbours.hear(heard(name, &["10.0.0.1:7"]), at(1300));
        assert_eq!(neighbours.questions(at(1300), 8).len(), 1);
        neighbours.answered(name, None, at(1300));
        assert!(neighbours.questions(at(1899), 8).is_empty());
    }
}

#[test]
fn who_moves_is_asked_anew_and_who_comes_back_is_known_meanwhile() {
    let mut neighbours = Neighbours::default();
    met(&mut neighbours, heard("a", &["10.0.0.1:7"]), 1, at(0));
    neighbours.hear(heard("a", &["10.0.0.1:7", "10.0.0.9:7"]), at(1));
    let question = neighbours.questions(at(1), 8).remove(0);
    assert_eq!(question.addresses[0].to_string(), "10.0.0.9:7", "the new one first");
    assert_eq!(neighbours.places(&device(1)), ["10.0.0.1:7"]);
    neighbours.answered("a", Some((question.addresses[0], device(1))), at(1));
    assert_eq!(neighbours.places(&device(1)), ["10.0.0.9:7"]);
    // Started anew at the same place, after a crash that said no goodbye.
    neighbours.hear(heard("b", &["10.0.0.9:7"]), at(2));
    assert_eq!(neighbours.places(&device(1)), ["10.0.0.9:7"]);
    assert_eq!(neighbours.questions(at(2), 8).len(), 1);
    neighbours.answered("b", Some(("10.0.0.9:7".parse().unwrap(), device(2))), at(2));
    assert!(neighbours.places(&device(1)).is_empty(), "another device has that address now");
    neighbours.leave("a");
    assert_eq!(neighbours.places(&device(2)), ["10.0.0.9:7"]);
    neighbours.hear(heard("b", &["10.0.0.5:7"]), at(3));
    assert!(neighbours.places(&device(2)).is_empty(), "it is not there any more");
}

#[test]
fn who_comes_back_elsewhere_is_where_it_answered_last() {
    let mut neighbours = Neighbours::default();
    met(&mut neighbours, heard("a", &["10.0.0.1:7"]), 1, at(0));
    met(&mut neighbours, heard("other", &["10.0.0.2:7"]), 2, at(0));
    met(&mut neighbours, heard("b", &["10.0.0.3:7"]), 1, at(1));
    assert_eq!(neighbours.places(&device(1)), ["10.0.0.3:7"], "it said no goodbye");
    assert_eq!(neighbours.places(&device(2)), ["10.0.0.2:7"]);
}

#[test]
fn an_answer_from_where_it_is_no_more_does_not_count() {
    let mut neighbours = Neighbours::default();
    neighbours.hear(heard("a", &["10.0.0.1:7"]), at(0));
    let question = neighbours.questions(at(0), 8).remove(0);
    neighbours.hear(heard("a", &["10.0.0.2:7"]), at(1));
    neighbours.answered("a", Some((question.addresses[0], device(1))), at(1));
    assert!(neighbours.places(&device(1)).is_empty());
    assert_eq!(neighbours.questions(at(1), 8)[0].addresses[0].to_string(), "10.0.0.2:7");
}

#[test]
fn goodbye_and_the_calendar_end_it() {
    let mut neighbours = Neighbours::default();
    met(&mut neighbours, heard("a", &["10.0.0.1:7"]), 1, at(0));
    met(&mut neighbours, heard("b", &["10.0.0.2:7"]), 2, at(0));
    neighbours.leave("a");
    assert!(neighbours.places(&device(1)).is_empty());
    neighbours.expire(TODAY + 1);
    neighbours.forget_strangers();
    assert_eq!(neighbours.places(&device(2)).len(), 1);
    neighbours.expire(TODAY + 2);
    assert!(neighbours.candidates.is_empty());
}

#[test]
fn addresses_of_no_host_are_not_dialled() {
    let mut neighbours = Neighbours::default();
    let odd = ["127.0.0.1:7", "0.0.0.0:7", "224.0.0.251:7", "255.255.255.255:7", "10.0.0.1:0", "[::1]:7"];
    neighbours.hear(heard("a", &odd), at(0));
    assert!(neighbours.candidates.is_empty());
}

/// Thousands of services: of one machine, of many, under one name, and with their addresses changing.
#[test]
fn a_liar_costs_little_memory_and_few_dials() {
    let liars: [fn(u32) -> (u32, u32); 4] =
        [|n| (n, 1), |n| (n, n), |n| (0, n), |n| (n % 100, n.wrapping_mul(7919))];
    for liar in liars {
        let mut neighbours = Neighbours::default();
        met(&mut neighbours, heard("honest", &["10.9.9.9:7"]), 1, at(0));
        let (mut asked, mut of_one) = (0, 0);
        for number in 0..10_000_u32 {
            let now = Duration::from_millis(u64::from(number) * 10);
            let (name, host) = liar(number);
            let ip = std::net::Ipv4Addr::from(0x0b00_0000 + host % 0x10000);
            let mut lie = heard(&name.to_string(), &[]);
            lie.addresses = (0..50).map(|port| SocketAddr::from((ip, 1 + port))).collect();
            neighbours.hear(lie, now);
            for question in neighbours.questions(now, 8) {
                assert!(question.addresses.len() <= ADDRESSES);
                (asked, of_one) = (asked + 1, of_one + u32::from(question.name == "0"));
                neighbours.answered(&question.name, None, now);
            }
            assert!(neighbours.candidates.len() <= MOST);
        }
        assert!(asked <= 16 + 50, "{asked} dials in 100 s");
        assert_eq!(neighbours.places(&device(1)), ["10.9.9.9:7"], "who has answered stays");
    }
}

proptest! {
    /// Whatever is heard and answered: bounds hold, and nobody is known who has not answered.
    #[test]
    fn bounds_hold_in_any_order(steps in proptest::collection::vec((0..5_u8, 0..90_u8, 0..6_u8, 0..3_u8), 0..300)) {
        let (mut neighbours, mut answered) = (Neighbours::default(), std::collections::BTreeSet::new());
        for ((what, name, host, who), second) in steps.into_iter().zip(0..) {
            let (name, now) = (name.to_string(), at(second));
            let address = SocketAddr::from(([10, 0, 0, host], 1 + u16::from(who)));
            match what {
                0 | 1 => neighbours.hear(Heard { name, addresses: vec![address], day: TODAY }, now),
                2 => neighbours.leave(&name),
                _ => for question in neighbours.questions(now, 8) {
                    let answer = (what == 3).then_some((question.addresses[0], device(who)));
                    answered.extend(answer.map(|(address, who)| (who, address.to_string())));
                    neighbours.answered(&question.name, answer, now);
                },
            }
            prop_assert!(neighbours.candidates.len() <= MOST);
            for host in 0..6 {
                let ip = IpAddr::from([10, 0, 0, host]);
                let of_one = neighbours.candidates.values().filter(|candidate| candidate.is_at(ip)).count();
                prop_assert!(of_one <= OF_ONE_ADDRESS);
            }
            for who in 0..3 {
                for place in neighbours.places(&device(who)) {
                    prop_assert!(answered.contains(&(device(who), place)));
                }
            }
        }
    }
}
