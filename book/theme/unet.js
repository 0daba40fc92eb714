// The crate's U-Net, once more in JavaScript: a test compares its answers with the crate's. What no
// page draws with is left out: other dialects than DDPM's, and any condition but the time.

// The network of this configuration, with weights by the crate's names: each the numbers of a tensor
// as f16 in Base64. It answers to an image (`[C, H, W]`, flat) at the time t. Inside, a feature map
// is { channels, side, data }, channel after channel.
function unet(config, encoded) {
    const f16 = (bits) => {
        const [exponent, fraction] = [bits >> 10 & 31, bits & 1023];
        const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
        return bits >> 15 ? -size : size;
    };
    const decode = (text) => {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        return Float64Array.from(new Uint16Array(bytes.buffer), f16);
    };
    const weights = Object.fromEntries(
        Object.entries(encoded).map(([name, text]) => [name, decode(text)]));

    const { channels, layers, attention, groups, space_to_depth: fold } = config;
    const eps = config.dialect.norm_eps;
    const silu = (v) => {
        for (let i = 0; i < v.length; i++) v[i] /= 1 + Math.exp(-v[i]);
        return v;
    };
    const zeros = (channels, side) =>
        ({ channels, side, data: new Float64Array(channels * side * side) });
    const add = (a, b) => ({ ...a, data: a.data.map((x, i) => x + b.data[i]) });

    const linear = (name, v) => {
        const weight = weights[`${name}.weight`];
        return weights[`${name}.bias`].map((bias, o) => {
            let sum = bias;
            for (let i = 0, k = o * v.length; i < v.length; i++) sum += weight[k++] * v[i];
            return sum;
        });
    };

    // At each pixel by itself, from all channels to all channels.
    const pointwise = (name, x) => {
        const weight = weights[`${name}.weight`], bias = weights[`${name}.bias`];
        const area = x.side * x.side, out = zeros(bias.length, x.side);
        for (let o = 0, k = 0; o < bias.length; o++) {
            const row = out.data.subarray(o * area, (o + 1) * area).fill(bias[o]);
            for (let i = 0; i < x.channels; i++, k++)
                for (let p = 0, q = i * area; p < area; p++) row[p] += weight[k] * x.data[q++];
        }
        return out;
    };

    // With a kernel of 3 x 3; a stride of 2 halves the side, and finds zeros below and on the right.
    const conv = (name, x, stride = 1) => {
        const weight = weights[`${name}.weight`], bias = weights[`${name}.bias`];
        const wide = x.side + 2, side = x.side / stride, area = side * side;
        const padded = zeros(x.channels, wide).data, first = stride - 1;
        for (let i = 0; i < x.channels * x.side; i++) {
            const [channel, y] = [Math.floor(i / x.side), i % x.side];
            const row = x.data.subarray(i * x.side, (i + 1) * x.side);
            padded.set(row, (channel * wide + y + 1) * wide + 1);
        }
        const out = zeros(bias.length, side), sums = out.data;
        for (let o = 0, k = 0; o < bias.length; o++) {
            sums.fill(bias[o], o * area, (o + 1) * area);
            for (let i = 0; i < x.channels; i++, k += 9) {
                const [a, b, c, d, e, f, g, h, j] = weight.subarray(k, k + 9);
                for (let y = 0, p = o * area; y < side; y++) {
                    let q = (i * wide + y * stride + first) * wide + first;
                    for (let r = q + wide, s = r + wide, end = p + side; p < end; p++) {
                        sums[p] += a * padded[q] + b * padded[q + 1] + c * padded[q + 2] +
                            d * padded[r] + e * padded[r + 1] + f * padded[r + 2] +
                            g * padded[s] + h * padded[s + 1] + j * padded[s + 2];
                        q += stride, r += stride, s += stride;
                    }
                }
            }
        }
        return out;
    };

    const norm = (name, x) => {
        const weight = weights[`${name}.weight`], bias = weights[`${name}.bias`];
        const { side, data } = x, area = side * side, size = data.length / groups;
        const out = zeros(x.channels, side);
        for (let start = 0, channel = 0; start < data.length; start += size) {
            let sum = 0, squares = 0;
            for (let p = start; p < start + size; p++) sum += data[p];
            const mean = sum / size;
            for (let p = start; p < start + size; p++) squares += (data[p] - mean) ** 2;
            const scale = 1 / Math.sqrt(squares / size + eps);
            for (let p = start; p < start + size; channel++) {
                const [factor, shift] = [scale * weight[channel], bias[channel]];
                for (const end = p + area; p < end; p++)
                    out.data[p] = (data[p] - mean) * factor + shift;
            }
        }
        return out;
    };
    const activated = (name, x) => {
        const h = norm(name, x);
        silu(h.data);
        return h;
    };

    const resnet = (name, x, emb) => {
        const h = conv(`${name}.conv1`, activated(`${name}.norm1`, x));
        const time = linear(`${name}.time_emb_proj`, emb), area = h.side * h.side;
        h.data.forEach((v, p) => { h.data[p] = v + time[Math.floor(p / area)]; });
        const out = conv(`${name}.conv2`, activated(`${name}.norm2`, h));
        const shortcut = `${name}.conv_shortcut`;
        return add(out, weights[`${shortcut}.weight`] ? pointwise(shortcut, x) : x);
    };

    // Of the pixels to one another, with one head.
    const attend = (name, x) => {
        const area = x.side * x.side, pixels = norm(`${name}.group_norm`, x);
        const [q, k, v] = ["q", "k", "v"].map((part) => pointwise(`${name}.to_${part}`, pixels).data);
        const mixed = zeros(x.channels, x.side);
        for (let p = 0; p < area; p++) {
            const score = Float64Array.from({ length: area }, (_, r) => {
                let sum = 0;
                for (let c = 0; c < x.channels; c++) sum += q[c * area + p] * k[c * area + r];
                return sum / Math.sqrt(x.channels);
            });
            const most = Math.max(...score), share = score.map((s) => Math.exp(s - most));
            const total = share.reduce((sum, s) => sum + s, 0);
            for (let c = 0; c < x.channels; c++) {
                let sum = 0;
                for (let r = 0; r < area; r++) sum += share[r] * v[c * area + r];
                mixed.data[c * area + p] = sum / total;
            }
        }
        return add(x, pointwise(`${name}.to_out.0`, mixed));
    };

    const block = (name, i, x, emb, attends) => {
        const h = resnet(`${name}.resnets.${i}`, x, emb);
        return attends ? attend(`${name}.attentions.${i}`, h) : h;
    };
    const joined = (a, b) => {
        const out = zeros(a.channels + b.channels, a.side);
        out.data.set(a.data);
        out.data.set(b.data, a.data.length);
        return out;
    };
    const doubled = (x) => {
        const out = zeros(x.channels, 2 * x.side);
        out.data.forEach((_, p) => {
            const [row, column] = [Math.floor(p / out.side), p % out.side];
            out.data[p] = x.data[(row >> 1) * x.side + (column >> 1)];
        });
        return out;
    };

    // Squares of pixels folded into channels, and back.
    const places = (channels, side, each) => {
        for (let c = 0, k = 0; c < channels; c++)
            for (let dy = 0; dy < fold; dy++)
                for (let dx = 0; dx < fold; dx++)
                    for (let y = dy; y < side; y += fold)
                        for (let x = dx; x < side; x += fold) each(k++, (c * side + y) * side + x);
    };
    const embedding = (t) => {
        const half = channels[0] / 2;
        const angles = Float64Array.from({ length: half }, (_, i) => t * 10000 ** (-i / (half - 1)));
        const waves = [...angles.map(Math.sin), ...angles.map(Math.cos)];
        const name = "time_embedding.linear_";
        return silu(linear(`${name}2`, silu(linear(`${name}1`, waves))));
    };

    return (image, t) => {
        const side = config.image_size, emb = embedding(t);
        let h = zeros(config.in_channels * fold * fold, side / fold);
        places(config.in_channels, side, (folded, p) => { h.data[folded] = image[p]; });
        h = conv("conv_in", h);
        const skips = [h];
        channels.forEach((_, level) => {
            const name = `down_blocks.${level}`;
            for (let i = 0; i < layers; i++)
                skips.push(h = block(name, i, h, emb, attention.includes(level)));
            if (level + 1 < channels.length)
                skips.push(h = conv(`${name}.downsamplers.0.conv`, h, 2));
        });
        h = block("mid_block", 0, h, emb, true);
        h = block("mid_block", 1, h, emb, false);
        [...channels.keys()].reverse().forEach((level, up) => {
            const name = `up_blocks.${up}`;
            for (let i = 0; i <= layers; i++)
                h = block(name, i, joined(h, skips.pop()), emb, attention.includes(level));
            if (level > 0) h = conv(`${name}.upsamplers.0.conv`, doubled(h));
        });
        h = conv("conv_out", activated("conv_norm_out", h));
        const out = new Float64Array(config.out_channels * side * side);
        places(config.out_channels, side, (folded, p) => { out[p] = h.data[folded]; });
        return out;
    };
}
