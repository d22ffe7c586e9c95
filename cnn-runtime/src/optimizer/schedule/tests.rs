use super::learning_rate;
use cnn_ir::Schedule;

/// Steps whose learning rates are known.
const STEPS: [u64; 10] = [0, 1, 3, 4, 7, 8, 13, 14, 23, 100];

/// From Keras 3.15 in double precision, and `OneCycleLR` of PyTorch 2.15 up to its last step.
#[rustfmt::skip]
const CASES: &[(Schedule, [f64; 10])] = &[
    (
        Schedule::PiecewiseConstantDecay { boundaries: &[3, 10], values: &[0.1, 0.01, 0.001], warmup_steps: 0 },
        [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001, 0.001],
    ),
    (
        Schedule::ExponentialDecay { initial_learning_rate: 0.1, decay_steps: 7, decay_rate: 0.9, staircase: false, warmup_steps: 0 },
        [0.1, 0.09850612054411156, 0.09558497852172915, 0.09415705416467765, 0.09000000000000001, 0.0886555084897004, 0.0822283930709948, 0.08100000000000002, 0.07073819267010606, 0.022198394408135258],
    ),
    (
        Schedule::ExponentialDecay { initial_learning_rate: 0.1, decay_steps: 7, decay_rate: 0.9, staircase: true, warmup_steps: 0 },
        [0.1, 0.1, 0.1, 0.1, 0.09000000000000001, 0.09000000000000001, 0.09000000000000001, 0.08100000000000002, 0.0729, 0.02287679245496101],
    ),
    (
        Schedule::InverseTimeDecay { initial_learning_rate: 0.1, decay_steps: 7, decay_rate: 0.5, staircase: false, warmup_steps: 0 },
        [0.1, 0.09333333333333334, 0.0823529411764706, 0.07777777777777779, 0.06666666666666667, 0.06363636363636364, 0.05185185185185186, 0.05, 0.03783783783783784, 0.012280701754385967],
    ),
    (
        Schedule::InverseTimeDecay { initial_learning_rate: 0.1, decay_steps: 7, decay_rate: 0.5, staircase: true, warmup_steps: 0 },
        [0.1, 0.1, 0.1, 0.1, 0.06666666666666667, 0.06666666666666667, 0.06666666666666667, 0.05, 0.04, 0.0125],
    ),
    (
        Schedule::PolynomialDecay { initial_learning_rate: 0.1, decay_steps: 7, end_learning_rate: 0.01, power: 2.0, cycle: false, warmup_steps: 0 },
        [0.1, 0.07612244897959185, 0.03938775510204082, 0.026530612244897965, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01],
    ),
    (
        Schedule::PolynomialDecay { initial_learning_rate: 0.1, decay_steps: 7, end_learning_rate: 0.01, power: 0.5, cycle: true, warmup_steps: 0 },
        [0.1, 0.09332380897952965, 0.0780336051416609, 0.06891883036371796, 0.01, 0.06891883036371796, 0.03405351177211819, 0.01, 0.04803194146278326, 0.029639610121239328],
    ),
    (
        Schedule::CosineDecay { initial_learning_rate: 0.1, decay_steps: 12, alpha: 0.1, warmup_steps: 0 },
        [0.1, 0.09846666218300808, 0.08681980515339464, 0.07750000000000001, 0.04335314297038656, 0.032500000000000015, 0.010000000000000002, 0.010000000000000002, 0.010000000000000002, 0.010000000000000002],
    ),
    (
        Schedule::CosineDecay { initial_learning_rate: 0.1, decay_steps: 12, alpha: 0.1, warmup_steps: 5 },
        [0.0, 0.020000000000000004, 0.06, 0.08000000000000002, 0.09397114317029975, 0.08681980515339464, 0.032500000000000015, 0.023180194846605367, 0.010000000000000002, 0.010000000000000002],
    ),
    (
        Schedule::CosineDecayRestarts { initial_learning_rate: 0.1, first_decay_steps: 5, t_mul: 2.0, m_mul: 0.9, alpha: 0.1, warmup_steps: 0 },
        [0.1, 0.09140576474687263, 0.04109423525312738, 0.018594235253127374, 0.08326518827218538, 0.07430530271784516, 0.017734811727814635, 0.011982211090046288, 0.05771366944496686, 0.05592743334478725],
    ),
    (
        Schedule::CosineDecayRestarts { initial_learning_rate: 0.1, first_decay_steps: 5, t_mul: 1.0, m_mul: 0.9, alpha: 0.1, warmup_steps: 0 },
        [0.1, 0.09140576474687263, 0.04109423525312738, 0.018594235253127374, 0.06301518827218539, 0.03798481172781463, 0.03518633055503317, 0.01696133055503318, 0.030400927749576902, 0.020941898913151243],
    ),
    (
        Schedule::CosineDecayRestarts { initial_learning_rate: 0.1, first_decay_steps: 5, t_mul: 1.5, m_mul: 1.0, alpha: 0.0, warmup_steps: 0 },
        [0.1, 0.09045084971874738, 0.03454915028125263, 0.009549150281252633, 0.08345653031794292, 0.06545084971874736, 0.09951340343707851, 0.09567727288213006, 0.0010926199633097267, 0.0025889475041961764],
    ),
    (
        Schedule::OneCycle { max_learning_rate: 0.1, total_steps: 20, pct_start: 0.3, div_factor: 25.0, final_div_factor: 10000.0 },
        [0.0040000000000000036, 0.013167184270002533, 0.06683281572999747, 0.09083281572999748, 0.09504846320134738, 0.089091617757105, 0.03887419780637107, 0.028306099820869922, 4e-07, 4e-07],
    ),
    (
        Schedule::OneCycle { max_learning_rate: 0.1, total_steps: 10, pct_start: 0.0, div_factor: 10.0, final_div_factor: 100.0 },
        [0.09755527298894293, 0.09046039886902862, 0.06548539886902863, 0.050050000000000004, 0.00963960113097138, 0.002544727011057081, 0.0001, 0.0001, 0.0001, 0.0001],
    ),
    (
        Schedule::OneCycle { max_learning_rate: 0.1, total_steps: 24, pct_start: 0.5, div_factor: 4.0, final_div_factor: 1.0 },
        [0.024999999999999994, 0.026519013489456345, 0.0379427224770518, 0.04692193701242925, 0.07807806298757074, 0.08705727752294819, 0.09497595264191647, 0.08901650429449554, 0.025, 0.025],
    ),
];

#[test]
fn learning_rates_are_those_of_keras() {
    let mut wrong = Vec::new();
    for (schedule, expected) in CASES {
        for (step, expected) in STEPS.iter().zip(expected) {
            let found = learning_rate(schedule, *step);
            if (found - expected).abs() > 1e-15 {
                wrong.push(format!(
                    "{schedule:?}, step {step}: {found}, not {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_warmup_rises_to_the_first_value_and_delays_the_rest() {
    for (schedule, _) in CASES
        .iter()
        .filter(|(schedule, _)| *schedule == schedule.with_warmup(0))
    {
        let delayed = schedule.with_warmup(10);
        if let Schedule::OneCycle { .. } = schedule {
            assert_eq!(delayed, *schedule);
            continue;
        }
        for step in 0..10 {
            let expected = learning_rate(schedule, 0) * (step as f64 / 10.0);
            assert_eq!(
                learning_rate(&delayed, step),
                expected,
                "{delayed:?}, step {step}"
            );
        }
        for step in 0..50 {
            let expected = learning_rate(schedule, step);
            assert_eq!(
                learning_rate(&delayed, step + 10),
                expected,
                "{delayed:?}, step {step}"
            );
        }
    }
}

/// Keras' logarithm puts the first step of some periods at the end of the one before.
#[test]
fn every_period_begins_with_its_first_step() {
    let restarts = Schedule::cosine_decay_restarts(0.1, 10);
    let mut start = 0;
    for period in 0..20 {
        assert_eq!(learning_rate(&restarts, start), 0.1, "period {period}");
        start += 10 << period;
        assert!(
            learning_rate(&restarts, start - 1) < 0.01,
            "period {period}"
        );
    }
}

/// Also those that are over at once, and far beyond their ends.
#[test]
fn learning_rates_are_finite_and_not_negative() {
    let shortest = [
        Schedule::constant(0.1),
        Schedule::exponential_decay(0.1, 1, 0.5),
        Schedule::inverse_time_decay(0.1, 1, 0.5),
        Schedule::polynomial_decay(0.1, 1),
        Schedule::cosine_decay(0.1, 1),
        Schedule::cosine_decay_restarts(0.1, 1),
        Schedule::one_cycle(0.1, 1),
        Schedule::one_cycle(0.1, 2),
        Schedule::piecewise_constant_decay(&[], &[0.1]),
    ];
    for schedule in shortest {
        for step in [0, 1, 2, 3, 1_000_000_000] {
            let found = learning_rate(&schedule, step);
            assert!(
                (0.0..=0.1 + 1e-15).contains(&found),
                "{schedule:?}, step {step}: {found}"
            );
        }
    }
}
