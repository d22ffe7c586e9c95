use crate::kernels::Isa;
use crate::kernels::magnitude::largest_magnitude;

#[test]
fn the_largest_magnitude_is_found_at_every_place() {
    let small = [0.0, -0.0, 1.0, -1e-45, f32::MIN_POSITIVE];
    let large = [
        1.5,
        -1.5,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        -f32::NAN,
        f32::from_bits(0x7f80_0001),
        f32::from_bits(0xffff_ffff),
    ];
    let mut wrong = Vec::new();
    for isa in Isa::available() {
        for length in 0..70 {
            let mut values: Vec<f32> = small.iter().copied().cycle().take(length).collect();
            let found = largest_magnitude(isa, &values);
            let expected = if length < 3 { 0.0 } else { 1.0 };
            if found != expected {
                wrong.push(format!("{found} of {length}, {}", isa.name()));
            }
            for place in 0..length {
                for expected in large {
                    let before = std::mem::replace(&mut values[place], expected);
                    let found = largest_magnitude(isa, &values);
                    if found.to_bits() != expected.abs().to_bits() {
                        wrong.push(format!(
                            "{found}, not {expected} at {place} of {length}, {}",
                            isa.name()
                        ));
                    }
                    values[place] = before;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
