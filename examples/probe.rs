//! What libtorch can do here: a convolution forward and backward on every device there is.

use anyhow::{Result, ensure};
use from_noise::util::device::{self, Choice};
use tch::{Device, Kind, Tensor};

fn main() -> Result<()> {
    let mut devices = vec![Device::Cpu];
    match device::pick(Choice::Cuda(0)) {
        Ok(_) => devices.extend((0..tch::Cuda::device_count() as usize).map(Device::Cuda)),
        Err(reason) => println!("{reason}"),
    }
    if let Ok(mps) = device::pick(Choice::Mps) {
        devices.push(mps);
    }
    for device in devices {
        convolve(device)?;
        println!("{device:?}: a convolution forward and backward works");
    }
    Ok(())
}

/// A 3x3 convolution of ones with ones: 9 inside, and its gradient counts where each weight was used.
fn convolve(device: Device) -> Result<()> {
    let image = Tensor::ones([2, 1, 8, 8], (Kind::Float, device)); // [B, C, H, W]
    let kernel = Tensor::ones([1, 1, 3, 3], (Kind::Float, device)).set_requires_grad(true);
    let out = image.conv2d(&kernel, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1); // [2, 1, 6, 6]
    out.sum(Kind::Float).backward();
    let (value, gradient) =
        (out.double_value(&[1, 0, 3, 3]), kernel.grad().double_value(&[0, 0, 1, 1]));
    ensure!(value == 9.0, "{device:?}: a convolution gives {value} instead of 9");
    ensure!(gradient == 72.0, "{device:?}: its gradient is {gradient} instead of 72");
    Ok(())
}
