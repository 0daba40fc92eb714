//! What `from-noise sample` writes: grids, movies, arrays and single pictures.

use super::arrays;
use anyhow::{Result, anyhow, bail, ensure};
use from_noise::data::from_u8;
use from_noise::guide::Snapshot;
use from_noise::plot::{Figure, Gif, Grid};
use from_noise::say;
use from_noise::schedule::Schedule;
use from_noise::util::results::Results;
use image::ExtendedColorType;
use std::path::{Path, is_separator};
use tch::Tensor;

/// Images in the movie.
pub const FILMED: i64 = 8;
/// Frames of the movie.
const FRAMES: usize = 100;
/// Images in a grid, and pixels along its side; an array holds all.
const TILES: i64 = 1024;
const SIDE: i64 = 8192;

/// What was drawn.
#[derive(Debug)]
pub struct Drawn {
    /// `[N, C, H, W]`, u8, on the CPU.
    pub pixels: Tensor,
    /// Every prediction about the first images.
    pub seen: Vec<Snapshot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Png,
    Gif,
    Npy,
    Npz,
    /// Single pictures.
    Folder,
}

/// A file or folder that `--out` names.
#[derive(Debug)]
pub struct Output<'a> {
    name: &'a str,
    ending: Ending,
}

impl<'a> Output<'a> {
    /// What `name` asks for, by its ending.
    pub fn new(name: &'a str) -> Result<Self> {
        let path = Path::new(name);
        if name.ends_with(is_separator) {
            let empty = || path.read_dir().is_ok_and(|mut dir| dir.next().is_none());
            let free = path.file_name().is_some() && (!path.exists() || empty());
            ensure!(free, "--out {name} is no new or empty folder: name one");
            return Ok(Self { name, ending: Ending::Folder });
        }
        ensure!(
            !path.is_dir(),
            "--out {name} is a folder: name a file, or {name}/ for pictures in it"
        );
        let extension = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let ending = match extension.as_deref() {
            Some("png") => Ending::Png,
            Some("gif") => Ending::Gif,
            Some("npy") => Ending::Npy,
            Some("npz") => Ending::Npz,
            _ => {
                bail!("--out {name} has none of the endings .png, .gif, .npy, .npz and /: add one")
            }
        };
        Ok(Self { name, ending })
    }

    /// Whether it shows the images on their way.
    pub fn is_film(&self) -> bool {
        self.ending == Ending::Gif
    }

    /// Makes the folder it lies in, so that a wrong name fails before anything is drawn.
    pub fn make_folder(&self) -> Result<()> {
        let made = Path::new(self.name).parent().map_or(Ok(()), std::fs::create_dir_all);
        made.map_err(|error| {
            anyhow!("cannot make the folder of --out {}: {error}: choose another place", self.name)
        })
    }

    /// Refuses one that lies in the folder that another one fills.
    pub fn check_beside(&self, others: &[Self]) -> Result<()> {
        let fills = |other: &&Self| other.ending == Ending::Folder && other.name != self.name;
        let around = |other: &&Self| Path::new(self.name).starts_with(other.name);
        match others.iter().filter(fills).find(around) {
            None => Ok(()),
            Some(Self { name, .. }) => {
                bail!(
                    "--out {} lies in --out {name}, which holds pictures alone: choose another place",
                    self.name
                )
            }
        }
    }

    /// Writes it, and notes how.
    pub fn write(&self, drawn: &Drawn, schedule: &Schedule, results: &mut Results) -> Result<()> {
        let (name, pixels) = (self.name, &drawn.pixels);
        let n = pixels.size()[0];
        let channels_last = || pixels.permute([0, 2, 3, 1]).contiguous(); // [N, H, W, C]
        let shown = match self.ending {
            Ending::Png => n.min(TILES).min((SIDE / (2 * pixels.size()[3])).max(1).pow(2)),
            Ending::Gif => n.min(FILMED),
            Ending::Npy | Ending::Npz | Ending::Folder => n,
        };
        results.samples(shown as u64);
        match self.ending {
            Ending::Png => results.figure(name, &grid(&pixels.narrow(0, 0, shown)))?,
            Ending::Gif => results.gif(name, &film(&drawn.seen, schedule))?,
            Ending::Npy => results.bytes(name, &arrays::npy(&channels_last())?)?,
            Ending::Npz => results.bytes(name, &arrays::npz(&[("arr_0", &channels_last())])?)?,
            Ending::Folder => {
                let name = name.trim_end_matches(is_separator);
                results.folder(name, |folder| save_pictures(&channels_last(), folder))?;
            }
        }
        if self.ending == Ending::Png && shown < n {
            say!("{name} shows the first {shown} of {n} images; a .npz holds all");
        }
        Ok(())
    }
}

/// `[N, H, W, C]`, u8, as 00000.png and so on.
fn save_pictures(pixels: &Tensor, folder: &Path) -> std::io::Result<()> {
    let size = pixels.size();
    let [height, width] = [size[1] as u32, size[2] as u32];
    let color = if size[3] == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    for i in 0..size[0] {
        let bytes = Vec::<u8>::try_from(pixels.get(i).flatten(0, -1)).expect("pixels are u8");
        let path = folder.join(format!("{i:05}.png"));
        image::save_buffer(path, &bytes, width, height, color).map_err(std::io::Error::other)?;
    }
    Ok(())
}

/// As square as can be.
fn grid(pixels: &Tensor) -> Figure {
    let columns = (pixels.size()[0] as f64).sqrt().ceil() as usize;
    Grid::new(&from_u8(pixels), columns).draw()
}

/// The first images on their way: what the sampler holds beside what it predicts.
fn film(seen: &[Snapshot], schedule: &Schedule) -> Gif {
    let frame = |seen: &Snapshot| {
        let panel = |title: String, x: &Tensor| Grid::new(x, 4).title(title).draw();
        let now = panel(format!("x_t, t = {:.0}", schedule.t_of(seen.at)), &seen.x_t);
        Figure::row(&[now, panel("predicted x0".into(), &seen.x0)])
    };
    let every = seen.len().div_ceil(FRAMES).max(1);
    let mut frames: Vec<Figure> = seen.iter().rev().step_by(every).map(frame).collect();
    frames.reverse(); // the last evaluation is always among them
    let colours = if seen.first().is_some_and(|seen| seen.x0.size()[1] == 3) { 128 } else { 16 };
    Gif::new(&frames, 20.max(5000 / frames.len() as u32)).colours(colours).hold(3000)
}
