//! The table and the figure of the bound.
#![allow(non_snake_case)]

use super::bound::Bound;
use anyhow::Result;
use from_noise::forward::Variance;
use from_noise::plot::{Curves, Figure};
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

/// A network read with one variance.
#[derive(Debug, Serialize)]
struct Row {
    net: String,
    variance: Variance,
    /// `L_vlb` in bits per dimension, and the standard error of this mean over the images.
    total: f64,
    error: f64,
    l_0: f64,
    /// The sum of `L_1` to `L_{T-1}`.
    l_t: f64,
    l_T: f64,
    /// The standard deviation of the bound estimated from one image and one `t`: drawn uniformly,
    /// and by the second moment of the loss.
    scatter_uniform: f64,
    scatter_importance: f64,
}

impl Bound {
    fn rows(&self) -> impl Iterator<Item = Row> {
        self.terms.iter().map(|(variance, terms)| {
            let mean = |x: &Tensor| x.mean(None).double_value(&[]);
            let (count, images) = (terms.size()[0] as f64, terms.size()[1] as f64);
            let without_prior = terms.sum_dim_intlist(0, false, None::<Kind>); // [B]
            let per_image = &without_prior + &self.prior;
            let l_0 = mean(&terms.get(0));
            let l_t = mean(&without_prior) - l_0;
            // T L_t of one t: its second moment, and that of L_t / p_t with p_t ~ root of E[L_t^2]
            let second = terms.square().mean_dim(1, false, None::<Kind>); // [T]
            let sum = l_0 + l_t;
            let uniform = count * second.sum(None).double_value(&[]);
            let importance = second.sqrt().sum(None).double_value(&[]).powi(2);
            Row {
                net: self.name.clone(),
                variance: *variance,
                total: mean(&per_image),
                error: per_image.std(true).double_value(&[]) / images.sqrt(),
                l_0,
                l_t,
                l_T: mean(&self.prior),
                scatter_uniform: (uniform - sum * sum).sqrt(),
                scatter_importance: (importance - sum * sum).max(0.0).sqrt(),
            }
        })
    }
}

/// `bound.csv` and `bound.png`.
pub fn show(bounds: &[Bound], n: usize, chapter: &mut Chapter) -> Result<()> {
    let rows: Vec<Row> = bounds.iter().flat_map(Bound::rows).collect();
    chapter.results.samples(n as u64);
    chapter.results.table("bound.csv", &rows)?;
    let by_t = |x: &Tensor| -> Vec<(f64, f64)> {
        let values = Vec::<f64>::try_from(on_cpu(x)).expect("a value for each t");
        values.into_iter().enumerate().map(|(i, y)| ((i + 1) as f64, y)).collect()
    };
    let mut left = Curves::new("The terms of the bound", "t", "bits per dimension");
    let names: Vec<&str> = bounds.iter().map(|bound| bound.name.as_str()).collect();
    left = left.log_x().log_y().size(420.0, 320.0).colours_of(&names);
    for Bound { name, terms, .. } in bounds {
        let (_, terms) = &terms[terms.len() - 1]; // the large variance where none is learned
        left = left.line(name, &by_t(&terms.mean_dim(1, false, None::<Kind>)));
    }
    let mut right = Curves::new("What is learned", "t", "mean of ν").log_x();
    right = right.size(420.0, 320.0).colours_of(&names);
    for Bound { name, nu, .. } in bounds {
        if let Some(nu) = nu {
            right = right.line(name, &by_t(nu));
        }
    }
    Ok(chapter.results.figure("bound.png", &Figure::row(&[left.draw(), right.draw()]))?)
}
