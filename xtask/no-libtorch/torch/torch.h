// What the C++ half of tch finds where libtorch is not: .cargo/config.toml names this folder last in
// the compiler's search path, so libtorch's own torch/torch.h comes first wherever it exists.
#error "There is no libtorch here yet. Run this first: cargo setup"
#include <run-cargo-setup-first>
