// Things to play with in a page. Each replaces a still picture, which stays where scripts are off.

// The mathematics, once more in JavaScript; a test compares it with the crate's numbers.
const maths = {
    ramp: (n, first, last) =>
        Array.from({ length: n }, (_, i) => first + ((last - first) * i) / (n - 1)),

    sigmoid: (x) => 1 / (1 + Math.exp(-x)),

    // alpha_bar from t = 0 to T.
    fromBetas(betas) {
        const out = [1];
        for (const beta of betas) out.push(out[out.length - 1] * (1 - beta));
        return out;
    },

    fromAlphaBar(T, f) {
        const betas = [];
        for (let t = 1; t <= T; t++) betas.push(Math.min(1 - f(t / T) / f((t - 1) / T), 0.999));
        return maths.fromBetas(betas);
    },

    schedules: {
        linear: (T, { first = 1e-4, last = 0.02 }) =>
            maths.fromBetas(maths.ramp(T, first * 1000 / T, last * 1000 / T)
                .map((beta) => Math.min(beta, 0.999))),
        cosine: (T, { s = 0.008 }) =>
            maths.fromAlphaBar(T, (u) => Math.cos((u + s) / (1 + s) * Math.PI / 2) ** 2),
        quadratic: (T, { first = 1e-4, last = 0.02 }) =>
            maths.fromBetas(maths.ramp(T, Math.sqrt(first), Math.sqrt(last)).map((r) => r * r)),
        "sigmoid in beta": (T, { first = 1e-4, last = 0.02 }) =>
            maths.fromBetas(maths.ramp(T, -6, 6)
                .map((x) => first + (last - first) * maths.sigmoid(x))),
        "sigmoid in alpha_bar": (T, { tau = 1 }) => {
            const [top, bottom] = [maths.sigmoid(3 / tau), maths.sigmoid(-3 / tau)];
            return maths.fromAlphaBar(T, (u) =>
                (maths.sigmoid((3 - 6 * u) / tau) - bottom) / (top - bottom));
        },
    },

    // The crate's Mlp: linear in, residual blocks that each see the time, linear out.
    mlp(data) {
        const { width, depth, embed } = data.network, w = data.weights;
        const silu = (v) => v.map((x) => x / (1 + Math.exp(-x)));
        const linear = (name, v) => {
            const weight = w[`${name}.weight`], out = Float64Array.from(w[`${name}.bias`]);
            for (let i = 0, k = 0; i < out.length; i++)
                for (let j = 0; j < v.length; j++) out[i] += weight[k++] * v[j];
            return out;
        };
        const add = (a, b) => a.map((x, i) => x + b[i]);
        // What t does to every block, once for all points.
        const told = (t) => {
            const half = embed / 2, waves = new Float64Array(embed);
            for (let i = 0; i < half; i++) {
                const angle = t * 10000 ** (-i / (half - 1));
                [waves[i], waves[half + i]] = [Math.sin(angle), Math.cos(angle)];
            }
            const emb = silu(linear("time_embedding", waves));
            return Array.from({ length: depth }, (_, i) =>
                linear(`blocks.${i}.time_emb_proj`, emb));
        };
        const eps = (x, times) => {
            let h = linear("input", Float64Array.from(x));
            times.forEach((time, i) => {
                const inner = add(linear(`blocks.${i}.linear_1`, silu(h)), time);
                h = add(h, linear(`blocks.${i}.linear_2`, silu(inner)));
            });
            return linear("output", silu(h));
        };
        return { told, eps };
    },

    // One step of DDIM for one point, from alpha_bar = a to alpha_bar = b.
    ddim(x, eps, a, b, eta, z) {
        const fresh = eta * eta * ((1 - b) / (1 - a)) * (1 - a / b);
        const kept = Math.sqrt(Math.max(0, 1 - b - fresh));
        return x.map((xi, i) => Math.sqrt(b) * (xi - Math.sqrt(1 - a) * eps[i]) / Math.sqrt(a) +
            kept * eps[i] + Math.sqrt(fresh) * z[i]);
    },

    // RePaint's way along a path of so many steps, as places on it: 0 is the noisiest.
    visits(steps, { jump, times }) {
        const left = Array.from({ length: steps }, (_, above) =>
            above % jump === 0 && above + jump < steps ? times - 1 : 0);
        const visits = [0];
        for (let place = 0; place < steps;) {
            visits.push(++place);
            if (place < steps && left[steps - 1 - place]-- > 0)
                for (let i = 0; i < jump; i++) visits.push(--place);
        }
        return visits;
    },

    // Fills what the mask lacks of an image. The network is trained for it and sees what is known; by
    // projection and by RePaint it is shown that nothing is. Gives each prediction, and returns the
    // completed image. noise(n) draws n normal numbers.
    *inpaint(net, known, mask, alphaBar, way, noise) {
        const T = alphaBar.length - 1, n = known.length, clip = (v) => Math.max(-1, Math.min(1, v));
        const keep = (fits, x) => x.map((v, i) => mask[i] ? fits[i] : v);
        const noised = (share, x) => {
            const z = noise(n);
            return x.map((v, i) => Math.sqrt(share) * v + Math.sqrt(1 - share) * z[i]);
        };
        const input = new Float64Array(3 * n); // x, and what is seen beside it
        if (way.by === "training") {
            input.set(known.map((v, i) => v * mask[i]), n);
            input.set(mask, 2 * n);
        }
        const visits = maths.visits(way.steps, way);
        const levels = visits.map((place) => Math.round(T * (way.steps - place) / way.steps));
        let x = noise(n);
        for (let i = 1; i < levels.length; i++) {
            const [t, s] = [levels[i - 1], levels[i]], [a, b] = [alphaBar[t], alphaBar[s]];
            if (s > t) {
                x = noised(b / a, x);
                continue;
            }
            input.set(x);
            const predicted = net(input, t);
            let x0 = x.map((v, j) => clip((v - Math.sqrt(1 - a) * predicted[j]) / Math.sqrt(a)));
            if (way.by === "projection") x0 = keep(known, x0);
            yield x0;
            const eps = x.map((v, j) => (v - Math.sqrt(a) * x0[j]) / Math.sqrt(1 - a));
            x = maths.ddim(x, eps, a, b, way.by === "RePaint" ? 1 : 0, noise(n));
            if (way.by === "RePaint") x = keep(noised(b, known), x);
        }
        return keep(known, x);
    },

    // Standard normal numbers that are the same on every visit.
    normals(n, seed) {
        let state = seed >>> 0;
        const uniform = () => {
            state = (state + 0x6d2b79f5) >>> 0;
            let z = Math.imul(state ^ (state >>> 15), state | 1);
            z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
            return (((z ^ (z >>> 14)) >>> 0) + 0.5) / 4294967296;
        };
        return Float64Array.from({ length: n }, () =>
            Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
    },
};

// Elements.
const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
};

let count = 0;

function slider(text, min, max, step, value, changed, named = String) {
    const id = `widget-${count++}`;
    const input = make("input", { id, type: "range", min, max, step, value });
    const output = make("output", { htmlFor: id });
    const show = () => {
        output.textContent = named(Number(input.value));
        input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => (show(), changed()));
    show();
    const box = make("div", { className: "control" },
        make("label", { htmlFor: id, textContent: text }), input, output);
    return { box, get value() { return Number(input.value); } };
}

function choice(text, names, changed) {
    const id = `widget-${count++}`;
    const select = make("select", { id }, ...names.map((name) => make("option", {}, name)));
    select.addEventListener("input", changed);
    const box = make("div", { className: "control" },
        make("label", { htmlFor: id, textContent: text }), select);
    return { box, get value() { return select.value; } };
}

function button(text, clicked) {
    const element = make("button", { type: "button", textContent: text });
    element.addEventListener("click", clicked);
    return element;
}

const short = (x) => (x !== 0 && Math.abs(x) < 0.01 ? x.toExponential(1) : x.toFixed(3));

const widgets = {
    // Real digits at any level of any schedule.
    forward(data) {
        const side = data.side, gap = 2, n = data.digits.length;
        const eps = data.digits.map((_, i) => maths.normals(side * side, i + 1));
        const canvas = make("canvas", { width: n * (side + gap) - gap, height: side });
        canvas.setAttribute("role", "img");
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        const draw = () => {
            const alphaBar = maths.schedules[schedule.value](1000, {})[t.value];
            const alpha = Math.sqrt(alphaBar), sigma = Math.sqrt(1 - alphaBar);
            const context = canvas.getContext("2d");
            data.digits.forEach((pixels, i) => {
                const image = context.createImageData(side, side);
                pixels.forEach((pixel, j) => {
                    const x = alpha * (pixel / 127.5 - 1) + sigma * eps[i][j];
                    const grey = Math.max(0, Math.min(255, Math.round((x + 1) * 127.5)));
                    image.data.set([grey, grey, grey, 255], 4 * j);
                });
                context.putImageData(image, i * (side + gap), 0);
            });
            const snr = (alpha / sigma) ** 2;
            words.textContent = `t = ${t.value}: ${short(alpha)} of the digit, ${short(sigma)} ` +
                `of noise, signal to noise ${Number.isFinite(snr) ? short(snr) : "infinite"}`;
            canvas.setAttribute("aria-label", `${n} digits, ${words.textContent}`);
        };
        const t = slider("level t", 0, 1000, 1, 250, draw);
        const schedule = choice("schedule", Object.keys(maths.schedules), draw);
        draw();
        return [canvas, words, make("div", { className: "controls" }, t.box, schedule.box)];
    },

    // The small network of chapter 3, sampling here.
    sampler(data) {
        const net = maths.mlp(data), T = data.alpha_bar.length - 1, n = 300, view = 2.2;
        const canvas = make("canvas", { width: 480, height: 480, className: "plane" });
        canvas.setAttribute("role", "img");
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        let seed = 1, running = 0;
        const draw = (points, t) => {
            const context = canvas.getContext("2d"), scale = canvas.width / (2 * view);
            context.clearRect(0, 0, canvas.width, canvas.height);
            context.fillStyle = getComputedStyle(canvas).color;
            for (const [x, y] of points) {
                context.beginPath();
                context.arc((x + view) * scale, (view - y) * scale, 2.2, 0, 7);
                context.fill();
            }
            const at = t === 0 ? "clean" : `t = ${t}`;
            words.textContent = `${n} points, ${at}`;
            canvas.setAttribute("aria-label", words.textContent);
        };
        const start = () => {
            const mine = ++running, S = steps.value;
            const noise = maths.normals(2 * n * (S + 1), seed);
            let points = Array.from({ length: n }, (_, i) => [noise[2 * i], noise[2 * i + 1]]);
            let step = 0;
            const frame = () => {
                if (mine !== running) return; // another run has begun
                const t = Math.round(T * (S - step) / S), s = Math.round(T * (S - step - 1) / S);
                const told = net.told(t), at = 2 * n * (step + 1);
                points = points.map((x, i) => maths.ddim(x, Array.from(net.eps(x, told)),
                    data.alpha_bar[t], data.alpha_bar[s], eta.value,
                    [noise[at + 2 * i], noise[at + 2 * i + 1]]));
                draw(points, s);
                if (++step < S) requestAnimationFrame(frame);
            };
            draw(points, T);
            requestAnimationFrame(frame);
        };
        const steps = slider("steps", 1, 100, 1, 20, start);
        const eta = slider("eta", 0, 1, 0.1, 0, start);
        const again = button("Other noise", () => (seed++, start()));
        start();
        return [canvas, words,
            make("div", { className: "controls" }, steps.box, eta.box, again)];
    },

    // Samples of one class at one scale of guidance, all drawn beforehand from the same noise.
    guidance(data) {
        const picture = make("img", { className: "pixels" });
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        const draw = () => {
            const [y, i] = [label.value, scale.value];
            picture.src = `data:image/png;base64,${data.pictures[y][i]}`;
            words.textContent = `class ${y} at scale ${data.scales[i]}: ${data.right[y][i]} of ` +
                `${data.samples} are read as ${y} by an independent classifier`;
            picture.alt = `${data.samples} samples, ${words.textContent}`;
        };
        const scale = slider("scale γ", 0, data.scales.length - 1, 1, 2, draw,
            (i) => data.scales[i]);
        const label = slider("class", 0, data.pictures.length - 1, 1, 7, draw);
        draw();
        return [picture, words, make("div", { className: "controls" }, scale.box, label.box)];
    },

    // A digit to be rubbed out with a brush, and what a small network draws there, here and now.
    inpainting(data) {
        const side = data.network.image_size, gap = 2, net = unet(data.network, data.weights);
        const ways = {
            training: { by: "training", steps: 20, jump: 1, times: 1 },
            projection: { by: "projection", steps: 20, jump: 1, times: 1 },
            replacement: { by: "RePaint", steps: 20, jump: 1, times: 1 },
            RePaint: { by: "RePaint", steps: 20, jump: 4, times: 3 },
        };
        const centred = (p, half) => Math.abs(p + 0.5 - side / 2) < half * side;
        const masks = { // whether the pixel is missing
            "the lower half": (x, y) => y >= side / 2,
            "nothing yet": () => false,
            "a box": (x, y) => centred(x, 0.22) && centred(y, 0.22),
            "strokes": (x, y) => ((x + y / 2 + 0.75) / side) % 0.3 <= 0.1,
            "all but the middle": (x, y) => !(centred(x, 0.25) && centred(y, 0.25)),
        };
        const canvas = make("canvas",
            { width: 2 * side + gap, height: side, className: "brush", tabIndex: 0 });
        canvas.setAttribute("role", "application");
        canvas.setAttribute("aria-label", "A digit to rub out, beside it the completed one. Draw " +
            "with the pointer, or move the brush with the arrow keys and press space.");
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        let mask, filled, seed = 1, running = 0, brush = [side / 2, side / 2];

        const known = () => Float64Array.from(data.digits[digit.value], (p) => p / 127.5 - 1);
        const near = (i) => Math.hypot(i % side - brush[0], Math.floor(i / side) - brush[1]) < 2;
        const show = () => {
            const context = canvas.getContext("2d"), digit = known();
            const put = (colour, left) => {
                const image = context.createImageData(side, side);
                mask.forEach((_, i) => image.data.set([...colour(i), 255], 4 * i));
                context.putImageData(image, left, 0);
            };
            const grey = (v) => Array(3).fill(Math.max(0, Math.min(255, Math.round((v + 1) * 127.5))));
            const held = document.activeElement === canvas;
            put((i) => {
                const colour = mask[i] ? grey(digit[i]) : [230, 159, 0];
                return held && near(i) ? colour.map((v) => 255 - v) : colour;
            }, 0);
            put((i) => grey(filled[i]), side + gap);
        };
        const fill = () => {
            const mine = ++running, way = ways[how.value];
            const missing = mask.filter((kept) => !kept).length;
            let evaluations = 0, drawn = seed * 1000;
            const steps = maths.inpaint(net, known(), mask, data.alpha_bar, way,
                (n) => maths.normals(n, drawn++));
            const frame = () => {
                if (mine !== running) return; // another one has begun
                const { value, done } = steps.next();
                filled = value;
                show();
                if (!done) {
                    evaluations++;
                    requestAnimationFrame(frame);
                } else words.textContent = `digit ${digit.value}, ${missing} of ${side * side} ` +
                    `pixels missing, drawn by ${how.value} in ${evaluations} evaluations`;
            };
            requestAnimationFrame(frame);
        };
        const begin = () => {
            const missing = masks[what.value];
            mask = Uint8Array.from({ length: side * side }, (_, i) =>
                missing(i % side, Math.floor(i / side)) ? 0 : 1);
            fill();
        };
        const rub = () => {
            running++; // what is being drawn is out of date
            mask = mask.map((kept, i) => kept && !near(i));
            filled = known().map((v, i) => mask[i] ? v : 0);
            show();
        };
        const follow = (event) => {
            const box = canvas.getBoundingClientRect();
            const at = (position, first, length, pixels) => (position - first) / length * pixels - 0.5;
            brush = [at(event.clientX, box.left, box.width, canvas.width),
                at(event.clientY, box.top, box.height, canvas.height)];
            rub();
        };
        canvas.addEventListener("pointerdown", (event) => {
            canvas.setPointerCapture(event.pointerId);
            follow(event);
        });
        canvas.addEventListener("pointermove", (event) => event.buttons && follow(event));
        canvas.addEventListener("lostpointercapture", fill);
        const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        canvas.addEventListener("keydown", (event) => {
            const move = moves[event.key];
            if (!move && event.key !== " ") return;
            event.preventDefault(); // the page neither scrolls
            event.stopPropagation(); // nor turns
            if (!move) return rub();
            brush = brush.map((z, i) => Math.max(0, Math.min(side - 1, Math.round(z) + move[i])));
            show();
        });
        canvas.addEventListener("keyup", (event) => event.key === " " && fill());
        for (const event of ["focus", "blur"]) canvas.addEventListener(event, show);

        const digit = slider("digit", 0, data.digits.length - 1, 1, 2, fill);
        const what = choice("missing", Object.keys(masks), begin);
        const how = choice("by", Object.keys(ways), fill);
        const again = button("Other noise", () => (seed++, fill()));
        begin();
        return [canvas, words,
            make("div", { className: "controls" }, digit.box, what.box, how.box, again)];
    },

    // What a cascade holds at some moments, from the first noise to the large images.
    stages(data) {
        const picture = make("img", { className: "pixels" });
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        const draw = () => {
            picture.src = `data:image/png;base64,${data.pictures[moment.value]}`;
            words.textContent = data.moments[moment.value];
            picture.alt = `Digits: ${words.textContent}`;
        };
        const moment = slider("moment", 0, data.pictures.length - 1, 1, data.pictures.length - 1,
            draw, (i) => i + 1);
        draw();
        return [picture, words, make("div", { className: "controls" }, moment.box)];
    },

    // A caption put together from a few choices, and what was drawn from it beforehand: a sheet of
    // tiles for each scale, a colour and a shape per row, a relation per column.
    captions(data) {
        const { colors, shapes, relations, scales, side } = data;
        const sheets = data.sheets.map((sheet) => {
            const image = make("img", { src: `data:image/png;base64,${sheet}` });
            image.addEventListener("load", () => draw());
            return image;
        });
        const canvas = make("canvas", { width: side, height: side, className: "tile" });
        canvas.setAttribute("role", "img");
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        const draw = () => {
            const row = colors.indexOf(color.value) * shapes.length + shapes.indexOf(shape.value);
            const column = relations.indexOf(relation.value), sheet = sheets[scale.value];
            canvas.getContext("2d").drawImage(sheet, -column * side, -row * side);
            const caption = data.captions[row * relations.length + column];
            words.textContent = scales[scale.value] === 0
                ? `no caption is heard at scale 0 (asked for: ${caption})`
                : `${caption}, at scale ${scales[scale.value]}`;
            canvas.setAttribute("aria-label", `A picture: ${words.textContent}`);
        };
        const color = choice("colour", colors, draw);
        const shape = choice("shape", shapes, draw);
        const relation = choice("where", relations, draw);
        const scale = slider("scale γ", 0, scales.length - 1, 1, scales.length - 1, draw,
            (i) => scales[i]);
        draw();
        return [canvas, words, make("div", { className: "controls" },
            color.box, shape.box, relation.box, scale.box)];
    },

    // One schedule of one's own among the others. Betas are shown as those of 1000 steps.
    schedules() {
        const [width, height] = [600, 280], [left, bottom] = [44, 28];
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
        svg.setAttribute("role", "img");
        const words = make("p", { className: "reading" });
        words.setAttribute("aria-live", "polite");
        const draw = () => {
            const [low, high, view] = {
                alpha_bar: [0, 1, (curve) => curve],
                "log SNR": [-12, 10, (curve) => curve.map((a) => Math.log(a / (1 - a)))],
                "beta, power of ten": [-6, 0, (curve) => curve.slice(1)
                    .map((a, i) => Math.log10((1 - a / curve[i]) * (curve.length - 1) / 1000))],
            }[what.value];
            const x = (u) => left + u * (width - left - 8);
            const y = (v) => 8 + (high - v) / (high - low) * (height - bottom - 8);
            const line = (curve, style) => {
                const points = view(curve).map((v, t, all) => [t / (all.length - 1), v])
                    .filter(([, v]) => v >= low && v <= high)
                    .map(([u, v]) => `${x(u).toFixed(1)},${y(v).toFixed(1)}`);
                return `<polyline class="${style}" points="${points.join(" ")}"/>`;
            };
            const ticks = [0, 0.25, 0.5, 0.75, 1];
            const marks = ticks.map((u) => {
                const v = low + u * (high - low);
                return `<path d="M${x(0)} ${y(v)}H${x(1)}"/><text x="${left - 6}" y="${y(v) + 4}" ` +
                    `text-anchor="end">${Number(v.toFixed(2))}</text><text x="${x(u)}" ` +
                    `y="${height - 8}" text-anchor="middle">${u}</text>`;
            });
            const own = maths.schedules[name.value](T.value, { first: 10 ** first.value,
                last: last.value, s: s.value, tau: tau.value });
            const others = Object.entries(maths.schedules).filter(([other]) => other !== name.value)
                .map(([, make]) => line(make(500, {}), "other"));
            svg.innerHTML = marks.join("") + others.join("") + line(own, "own");
            const half = own.findIndex((a) => a < 0.5) / T.value;
            words.textContent = `${name.value}: half of the signal's variance is gone at ` +
                `${half.toFixed(2)} T; at T, ${short(own[own.length - 1])} of it is left`;
            svg.setAttribute("aria-label", `${what.value}, over t / T. ${words.textContent}`);
            const used = { linear: [first, last], cosine: [s], quadratic: [first, last],
                "sigmoid in beta": [first, last], "sigmoid in alpha_bar": [tau] }[name.value];
            for (const knob of [first, last, s, tau]) knob.box.hidden = !used.includes(knob);
        };
        const name = choice("schedule", Object.keys(maths.schedules), draw);
        const what = choice("show", ["alpha_bar", "beta, power of ten", "log SNR"], draw);
        const T = slider("steps T", 10, 1000, 10, 1000, draw);
        const first = slider("first beta, power of ten", -6, -2, 0.1, -4, draw);
        const last = slider("last beta", 0.005, 0.05, 0.001, 0.02, draw);
        const s = slider("offset s", 0, 0.2, 0.002, 0.008, draw);
        const tau = slider("temperature tau", 0.2, 2, 0.05, 1, draw);
        draw();
        const controls = [name, what, T, first, last, s, tau].map((control) => control.box);
        return [svg, words, make("div", { className: "controls" }, ...controls)];
    },
};

if (typeof document !== "undefined") {
    for (const place of document.querySelectorAll("[data-widget]")) {
        const data = JSON.parse(place.querySelector("script").textContent);
        const parts = widgets[place.dataset.widget](data);
        place.querySelector(".still").replaceWith(...parts);
    }
}
