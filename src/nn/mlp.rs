//! A small residual network for points in the plane.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use super::cost::Cost;
use super::embedding::{Layout, sinusoidal};
use super::layers::{Start, linear};
use crate::conditioning::Conditioning;
use crate::network::Network;

/// Whether a network is conditioned on the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    /// The sinusoidal embedding of t enters every block.
    #[default]
    Embedded,
    /// The network is blind to t and must guess the noise level from x_t alone.
    Ignored,
}

/// What an [`Mlp`] is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Coordinates of a point.
    pub data_dim: i64,
    /// Outputs: `data_dim`, or twice that when the variance is learned too.
    pub out_dim: i64,
    /// Hidden units.
    pub width: i64,
    /// Residual blocks.
    pub depth: i64,
    /// Width of the sinusoidal time embedding.
    pub embed: i64,
    pub layout: Layout,
    pub time: Time,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            data_dim: 2,
            out_dim: 2,
            width: 128,
            depth: 3,
            embed: 64,
            layout: Layout::default(),
            time: Time::default(),
        }
    }
}

impl MlpConfig {
    /// Parameters and operations of the network this describes.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        cost.linear(self.data_dim, self.width);
        cost.linear(self.width, self.out_dim);
        for _ in 0..self.depth {
            cost.linear(self.width, self.width);
            cost.linear(self.width, self.width);
        }
        if self.time == Time::Embedded {
            cost.linear(self.embed, self.width);
            (0..self.depth).for_each(|_| cost.linear(self.width, self.width));
        }
        cost
    }
}

/// The res block of DDPM's U-Net without its convolutions: `h + W2 silu(W1 silu(h) + Wt e)`.
#[derive(Debug)]
struct Block {
    linear_1: nn::Linear,
    time_emb_proj: Option<nn::Linear>,
    linear_2: nn::Linear,
}

impl Block {
    fn new(vs: nn::Path, config: &MlpConfig) -> Self {
        let width = config.width;
        let square = |name, start| linear(&vs / name, width, width, start);
        Self {
            linear_1: square("linear_1", Start::Scaled),
            time_emb_proj: (config.time == Time::Embedded)
                .then(|| square("time_emb_proj", Start::Scaled)),
            linear_2: square("linear_2", Start::Scaled),
        }
    }

    fn forward(&self, h: &Tensor, emb: Option<&Tensor>) -> Tensor {
        let mut inner = h.silu().apply(&self.linear_1);
        if let (Some(project), Some(emb)) = (&self.time_emb_proj, emb) {
            inner += emb.apply(project);
        }
        h + inner.silu().apply(&self.linear_2)
    }
}

/// A residual network for points: linear in, `depth` blocks that each see the time, linear out.
///
/// The last layer starts at zero, so an untrained network predicts 0 and its first
/// epsilon-loss is E|eps|^2 = 1 a coordinate.
#[derive(Debug)]
pub struct Mlp {
    config: MlpConfig,
    time_embedding: Option<nn::Linear>,
    input: nn::Linear,
    blocks: Vec<Block>,
    output: nn::Linear,
}

impl Mlp {
    pub fn new(vs: &nn::Path, config: &MlpConfig) -> Self {
        let c = config;
        Self {
            config: c.clone(),
            time_embedding: (c.time == Time::Embedded)
                .then(|| linear(vs / "time_embedding", c.embed, c.width, Start::Scaled)),
            input: linear(vs / "input", c.data_dim, c.width, Start::Scaled),
            blocks: (0..c.depth).map(|i| Block::new(vs / "blocks" / i, c)).collect(),
            output: linear(vs / "output", c.width, c.out_dim, Start::Zero),
        }
    }

    pub fn config(&self) -> &MlpConfig {
        &self.config
    }
}

impl Network for Mlp {
    type Cond = ();

    fn encode(&self, (): &(), _train: bool) -> Conditioning {
        Conditioning::none()
    }

    /// # Shapes
    /// `x: [B, data_dim]`, `t: [B]` or `[1]` -> `[B, out_dim]`. `train` changes nothing.
    ///
    /// # Panics
    /// On other shapes, and on a conditioning that has no place here: an embedding where the time
    /// is ignored, tokens, planes.
    fn forward(&self, x: &Tensor, t: &Tensor, conditioning: &Conditioning, _train: bool) -> Tensor {
        assert!(
            x.dim() == 2 && x.size()[1] == self.config.data_dim,
            "this Mlp takes points of shape [B, {}], not {:?}",
            self.config.data_dim,
            x.size()
        );
        let Conditioning { emb: more, tokens, planes } = conditioning;
        assert!(tokens.is_none() && planes.is_none(), "an Mlp takes no tokens and no planes");
        let has_place = self.time_embedding.is_some() || more.is_none();
        assert!(has_place, "an Mlp without time has no place for an embedding of the condition");
        let emb = self.time_embedding.as_ref().map(|layer| {
            let sinusoids = sinusoidal(t, self.config.embed, self.config.layout);
            let emb = sinusoids.to_kind(x.kind()).apply(layer); // [B or 1, width]
            match more {
                Some(more) => {
                    let (found, width) = (more.size(), self.config.width);
                    let fits = found.len() == 2 && found[1] == width;
                    assert!(fits, "an embedding of shape {found:?}, added to [B, {width}]");
                    (&emb + more.to_kind(emb.kind())).silu() // [B, width]
                }
                None => emb.silu(),
            }
        });
        let h = self
            .blocks
            .iter()
            .fold(x.apply(&self.input), |h, block| block.forward(&h, emb.as_ref()));
        h.silu().apply(&self.output)
    }

    fn kind(&self) -> Option<Kind> {
        Some(self.input.ws.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Reduction};

    fn mlp(config: &MlpConfig) -> (nn::VarStore, Mlp) {
        tch::manual_seed(0);
        let vs = nn::VarStore::new(Device::Cpu);
        let net = Mlp::new(&vs.root(), config);
        (vs, net)
    }

    /// Gives the zero-initialised last layer values, so that the output depends on everything.
    fn wake(vs: &nn::VarStore) {
        let _guard = tch::no_grad_guard();
        let mut weight = vs.variables()["output.weight"].shallow_clone();
        let _ = weight.normal_(0.0, 0.1);
    }

    fn points(n: i64) -> Tensor {
        Tensor::randn([n, 2], (Kind::Float, Device::Cpu))
    }

    fn times(n: i64) -> Tensor {
        Tensor::arange(n, (Kind::Float, Device::Cpu)) * 37.0 + 1.0
    }

    #[test]
    fn an_untrained_mlp_predicts_zero_so_the_first_loss_is_one() {
        let (_vs, net) = mlp(&MlpConfig::default());
        let out = net.forward(&points(4096), &times(4096), &Conditioning::none(), true);
        assert_eq!(out.abs().max().double_value(&[]), 0.0);
        let loss = out.mse_loss(&points(4096), Reduction::Mean).double_value(&[]);
        assert!((loss - 1.0).abs() < 0.05, "first loss {loss}");
    }

    #[test]
    fn the_output_is_the_formula() {
        let (mut vs, net) =
            mlp(&MlpConfig { width: 6, depth: 2, embed: 4, ..MlpConfig::default() });
        wake(&vs);
        vs.double();
        let v = vs.variables();
        let layer = |x: &Tensor, name: &str| {
            x.matmul(&v[&format!("{name}.weight")].tr()) + &v[&format!("{name}.bias")]
        };
        let (x, t) = (points(8).to_kind(Kind::Double), times(8).to_kind(Kind::Double));
        let e = layer(&sinusoidal(&t, 4, Layout::SinCos), "time_embedding").silu();
        let mut h = layer(&x, "input");
        for i in 0..2 {
            let part = |x: &Tensor, name| layer(x, &format!("blocks.{i}.{name}"));
            let inner = part(&h.silu(), "linear_1") + part(&e, "time_emb_proj");
            h += part(&inner.silu(), "linear_2");
        }
        let want = layer(&h.silu(), "output");
        let diff =
            (net.forward(&x, &t, &Conditioning::none(), true) - want).abs().max().double_value(&[]);
        assert!(diff < 1e-12, "off by {diff:e}");
    }

    #[test]
    fn one_time_for_the_batch_equals_the_same_time_for_each() {
        let (vs, net) = mlp(&MlpConfig::default());
        wake(&vs);
        let x = points(8);
        let t = Tensor::from_slice(&[321f32]);
        let one = net.forward(&x, &t, &Conditioning::none(), false);
        let each = net.forward(&x, &t.expand([8], false), &Conditioning::none(), false);
        assert!((one - each).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn only_an_embedded_time_reaches_the_output() {
        for (time, reaches) in [(Time::Embedded, true), (Time::Ignored, false)] {
            let (vs, net) = mlp(&MlpConfig { time, ..MlpConfig::default() });
            wake(&vs);
            let x = points(8);
            let at =
                |t: f32| net.forward(&x, &Tensor::from_slice(&[t]), &Conditioning::none(), false);
            let change = (at(1.0) - at(900.0)).abs().max().double_value(&[]);
            assert_eq!(change > 1e-3, reaches, "{time:?}: the output changed by {change:e}");
        }
    }

    #[test]
    fn the_cost_counts_every_parameter() {
        for time in [Time::Embedded, Time::Ignored] {
            let config = MlpConfig {
                out_dim: 4,
                width: 24,
                depth: 2,
                embed: 10,
                time,
                ..MlpConfig::default()
            };
            let (vs, _) = mlp(&config);
            let built: i64 = vs.variables().values().map(|v| v.numel() as i64).sum();
            assert_eq!(config.cost().params, built);
        }
        // By hand: 2 (2*3 + 2 (3*3 + 3*3) + 3*2) = 96 without time; with it 2 (4*3 + 2*9) more.
        let tiny = MlpConfig { width: 3, depth: 2, embed: 4, ..MlpConfig::default() };
        assert_eq!(tiny.cost().flops, 96 + 60);
        assert_eq!(MlpConfig { time: Time::Ignored, ..tiny }.cost().flops, 96);
    }

    #[test]
    fn a_config_rejects_a_misspelt_field() {
        let error = serde_json::from_str::<MlpConfig>(r#"{"widht": 64}"#).unwrap_err().to_string();
        assert!(error.contains("widht") && error.contains("width"), "{error}");
    }
}
