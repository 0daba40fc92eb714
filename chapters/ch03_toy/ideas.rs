//! From the worst idea to the good one.

use super::{Net, Plan};
use anyhow::Result;
use from_noise::metrics::energy_distance;
use from_noise::noise::Seeded;
use from_noise::plot::{Figure, Scatter};
use from_noise::sample::ddim;
use from_noise::say;
use from_noise::schedule::Path;
use from_noise::util::cli::Chapter;
use serde::Serialize;
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// A way to draw: DDIM with a network, in so many steps.
pub struct Idea {
    title: &'static str,
    net: &'static str,
    pub steps: usize,
    eta: f64,
}

pub fn ideas(plan: &Plan) -> [Idea; 7] {
    let all = if plan.points < 100 { 50 } else { plan.toy.schedule.build().steps() }; // a smoke run
    let idea = |title, net, steps, eta| Idea { title, net, steps, eta };
    [
        idea("x0 in one step", "x0", 1, 0.0),
        idea("x0 in five steps", "x0", 5, 0.0),
        idea("noise, five steps", "eps", 5, 0.0),
        idea("noise, 50 steps", "eps", 50, 0.0),
        idea("noise, all steps, eta = 1", "eps", all, 1.0),
        idea("noise without t, 50 steps", "eps-without-t", 50, 0.0),
        idea("a small network, 50 steps", "small", 50, 0.0),
    ]
}

/// A line of the table of ideas.
#[derive(Debug, Serialize)]
struct Row {
    idea: &'static str,
    evaluations: usize,
    energy_distance: f64,
}

/// `ideas.png` shows the same start drawn by ever better ideas, after the data themselves.
pub fn compare(plan: &Plan, nets: &BTreeMap<&str, Net>, chapter: &mut Chapter) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let data = |seed| plan.toy.toy.sample(plan.points as usize, seed);
    let truth = data(chapter.seed.wrapping_add(1));
    let draw = |idea: &Idea| -> Tensor {
        let mut noise = Seeded::new(chapter.seed, 0);
        let start = noise.start(&[plan.points, 2]).to_device(chapter.device);
        let model = nets[idea.net].ema.model.given(());
        let path = schedule.path(Path::Trailing, idea.steps);
        ddim(&model, &path, start, idea.eta, &mut |x| noise.draw(x)).to_device(Device::Cpu)
    };
    let mut samples = vec![("data", 0, data(chapter.seed.wrapping_add(2)))];
    samples.extend(ideas(plan).iter().map(|idea| (idea.title, idea.steps, draw(idea))));
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for (idea, evaluations, x) in samples {
        let energy_distance = energy_distance(&x, &truth);
        say!("{idea:>26}: energy distance {energy_distance:.4}");
        panels.push(Scatter::new(idea, 1.3).points("", &x).bare().side(200.0).draw());
        rows.push(Row { idea, evaluations, energy_distance });
    }
    chapter.results.table("ideas.csv", &rows)?;
    Ok(chapter.results.figure("ideas.png", &Figure::tiled(&panels, 4))?)
}
