//! DDPM from noise to digits: train (Algorithm 1), sample (Algorithm 2), save a picture.

use from_noise::data::{Format, Source, Split, batch_indices};
use from_noise::nn::{Unet, UnetConfig};
use from_noise::prelude::*;
use from_noise::util::device;

#[allow(non_snake_case)]
fn main() -> anyhow::Result<()> {
    let steps = std::env::args().nth(1).map_or(Ok(5000), |n| n.parse())?;
    let device = device::pick(device::Choice::Auto)?;
    let digits = Source::Mnist.load(Split::Train, Format::MNIST)?.to_device(device);
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let mut trainer = Trainer::new(device, TrainConfig { lr: 1e-3, ..Default::default() }, |vs| {
        let small = UnetConfig { channels: vec![16, 36], groups: 4, ..UnetConfig::tiny() };
        let unet = Unet::new(vs, &small);
        Model::new(unet, Parameterization::default(), schedule.clone()) // predicts the noise
    });
    while trainer.step < steps {
        let loss = trainer.step(|model, batch| {
            let (x0, _labels) = digits.batch(&batch_indices(0, batch, 64, digits.len()), device);
            let levels = schedule.levels(&schedule.draw_t(64, device)); // [64], t uniform over 1..=1000
            let eps = x0.randn_like(); // [64, 1, 28, 28]
            l_simple(model, &levels, &x0, &(), &eps).mean(Kind::Float)
        })?;
        if trainer.step % 100 == 0 {
            println!("step {} of {steps}: loss {loss:.4}", trainer.step);
        }
    }
    let model = trainer.ema.model.given(()).clip(1.0);
    let x_T = Seeded::new(0, 0).start(&[25, 1, 28, 28]).to_device(device);
    let path = schedule.path(Path::Trailing, 1000);
    let x0 = ddpm(&model, &path, x_T, Variance::Small, &mut gaussian);
    Grid::new(&x0, 5).draw().save("ddpm.png")?;
    println!("wrote ddpm.png");
    Ok(())
}
