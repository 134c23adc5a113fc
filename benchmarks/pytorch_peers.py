"""The ten GANs in PyTorch: the same networks, losses, optimizers and updates per batch.

    batch = make_peer("mnist_gan", images, labels, n_batch=256)
    losses = batch()  # trains one batch; a tensor on the device

A peer does the work of one `train_batch` of the script of its name, at that script's default
settings, so that speed.py can time it. Real images are drawn with replacement from the uint8 images
on the device and scaled there; latent points and labels are drawn there. D is always in training
mode. Fakes for D come from G without gradients, in inference mode (in infogan_labelled in training
mode). In G's update D's BatchNormalization looks at the batch but keeps its running averages, and
D's weights get no gradients.

What differs, without a layer or an update more or less:
- For a strided 3x3 or 5x5 convolution of an even image Keras pads more on the right and below,
  PyTorch on the left and above; so with a strided 5x5 transposed convolution. The one network is
  the mirror image of the other.
- Adam's epsilon is added after the correction of the bias, in Keras before it. For an embedding
  Keras's Adam adds the squares of a label's gradients, PyTorch's squares their sum.
- The running averages of BatchNormalization are of the unbiased variance.
- With bfloat16 D's last layer is bfloat16, too; in the scripts it is float32.
"""

import contextlib
import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

N_CLASSES = 10


def conv(n_in, n_out, size, stride=1):
    """Build Conv2D with padding 'same'."""
    return nn.Conv2d(n_in, n_out, size, stride, padding=(size - 1) // 2)


def conv_transpose(n_in, n_out, size):
    """Build Conv2DTranspose with strides 2 and padding 'same': it doubles height and width."""
    return nn.ConvTranspose2d(n_in, n_out, size, 2, (size - 1) // 2, output_padding=size % 2)


def leaky_relu(slope=0.2):
    """Build LeakyReLU; in place, since the layers before it do not need their output again."""
    return nn.LeakyReLU(slope, inplace=True)


def batch_norm(size, dimensions, momentum=0.99, scale=True):
    """Build BatchNormalization; `momentum` is Keras's, the part of the old average that stays."""
    layer = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
    layer = layer(size, eps=1e-3, momentum=1 - momentum)
    if not scale:
        layer.register_parameter("weight", None)
    layer.num_batches_tracked = None  # a counter that nothing reads, but each batch would raise
    return layer


def batch_norms(model):
    """Return the BatchNormalization layers of a model."""
    return [m for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]


class Conditional(nn.Module):
    """Multiply the input (n, size) with an embedding of its label (n,); then go through `body`."""

    def __init__(self, size, body):
        super().__init__()
        self.embedding = nn.Embedding(N_CLASSES, size)
        self.body = body

    def forward(self, x, label):
        return self.body(x * self.embedding(label))


class Heads(nn.Module):
    """Give the output of `trunk` to each of the heads; return their outputs."""

    def __init__(self, trunk, *heads):
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(heads)

    def forward(self, image):
        x = self.trunk(image)
        return tuple(head(x) for head in self.heads)


class Joined(nn.Module):
    """Join the feature maps made of the latent point with those of the label; then `body`."""

    def __init__(self, noise, label, body):
        super().__init__()
        self.noise = noise
        self.label = label
        self.body = body

    def forward(self, noise, label):
        return self.body(torch.cat([self.noise(noise), self.label(label)], 1))


def bce(logits, target):
    """Binary cross-entropy of logits (n, 1) and a target, a number or (n, 1): the mean."""
    logits = logits.float()
    return (F.softplus(logits) - target * logits).mean()


def reported(loss, *parts):
    """Return the loss to minimise, and what to report (k,): its parts, or the loss itself."""
    if not parts:
        parts = [loss]
    return loss, torch.stack(list(parts)).detach()


def update(optimizer, losses):
    """Move the optimizer's weights to lower a `reported` loss; return the report."""
    loss, report = losses
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return report


@dataclasses.dataclass
class Setup:
    """The models and the data on the device, and the form in which PyTorch runs the parts."""

    images: np.ndarray  # uint8 (n, height, width, channels); __post_init__ puts it on the device
    labels: np.ndarray | None  # (n,)
    n_batch: int
    device: str = "cpu"
    channels_last: bool = False
    compiled: bool = False
    precision: str = "float32"
    graphed: bool = False

    def __post_init__(self):
        self.images = torch.from_numpy(self.images).to(self.device)
        if not self.channels_last:
            self.images = self.images.permute(0, 3, 1, 2).contiguous()
        if self.labels is not None:
            self.labels = torch.as_tensor(self.labels, dtype=torch.int64, device=self.device)
        self.models = []
        self.optimizers = []

    def place(self, model, stddev=None):
        """Draw the weights as Keras does, or from N(0, stddev); put the model on the device."""
        for layer in model.modules():
            if isinstance(layer, (nn.Embedding, nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                if stddev:
                    nn.init.normal_(layer.weight, std=stddev)
                elif isinstance(layer, nn.Embedding):
                    nn.init.uniform_(layer.weight, -0.05, 0.05)
                else:
                    nn.init.xavier_uniform_(layer.weight)
                if not isinstance(layer, nn.Embedding):
                    nn.init.zeros_(layer.bias)
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        self.models.append(model.to(self.device, memory_format=layout))
        return model

    def adam(self, learning_rate, *models, beta_1=0.5):
        """Build one optimizer of all weights of the models."""
        weights = [weight for model in models for weight in model.parameters()]
        options = {"lr": learning_rate, "betas": (beta_1, 0.999), "eps": 1e-7, "fused": True}
        # capturable: a CUDA graph needs the number of steps on the device
        self.optimizers.append(torch.optim.Adam(weights, capturable=self.graphed, **options))
        return self.optimizers[-1]

    def real(self, n, low, high):
        """Draw real images, float32 (n, channels, height, width) in [low, high], and indices."""
        ix = torch.randint(len(self.images), (n,), device=self.device)
        X = self.images.index_select(0, ix).float() * ((high - low) / 255.0) + low
        return X.permute(0, 3, 1, 2) if self.channels_last else X, ix  # a view: nothing moves

    def noise(self, n, latent_dim=100):
        """Draw latent points (n, latent_dim), standard normal."""
        return torch.randn(n, latent_dim, device=self.device)

    def classes(self, n):
        """Draw labels (n,), 0 to 9."""
        return torch.randint(N_CLASSES, (n,), device=self.device)

    def part(self, function):
        """Return a function of tensors, a forward pass and its losses, in the form asked for."""
        if self.compiled:  # the whole of it, for just these shapes, or an error
            function = torch.compile(function, fullgraph=True, dynamic=False)
        device_type = torch.device(self.device).type
        bfloat16 = self.precision == "bfloat16"

        def run(*inputs):
            with torch.autocast(device_type, torch.bfloat16, enabled=bfloat16):
                return function(*inputs)

        return run

    def inference(self, g, training=False):
        """Return a function that runs G without gradients, in inference mode or in training's."""
        forward = self.part(lambda *inputs: g(*inputs))
        norms = [] if training else batch_norms(g)

        @torch.no_grad()
        def run(*inputs):
            for norm in norms:  # the only layers of the G's to have two modes
                norm.training = False
            out = forward(*inputs)
            for norm in norms:
                norm.training = True
            return out

        return run


def freezer(d):
    """Return a context in which D gets no gradients and keeps its running averages."""
    weights = list(d.parameters())
    norms = batch_norms(d)

    def freeze(frozen):
        for weight in weights:
            weight.requires_grad_(not frozen)
        for norm in norms:
            norm.track_running_stats = not frozen  # in training mode it uses the batch either way

    @contextlib.contextmanager
    def frozen():
        freeze(True)
        yield
        freeze(False)

    return frozen


def mnist_gan(setup):
    """One update of D on half a batch of real images and half a batch of fakes, one of G."""
    d = nn.Sequential(  # image (n, 1, 28, 28) in [0, 1]
        *(conv(1, 64, 3, 2), leaky_relu(), nn.Dropout(0.4)),  # 64x14x14
        *(conv(64, 64, 3, 2), leaky_relu(), nn.Dropout(0.4)),  # 64x7x7
        *(nn.Flatten(), nn.Linear(3136, 1)),
    )
    g = nn.Sequential(
        *(nn.Linear(100, 6272), leaky_relu(), nn.Unflatten(1, (128, 7, 7))),
        *(conv_transpose(128, 128, 4), leaky_relu()),  # 128x14x14
        *(conv_transpose(128, 128, 4), leaky_relu()),  # 128x28x28
        *(conv(128, 1, 7), nn.Sigmoid()),
    )
    d = setup.place(d)
    g = setup.place(g)
    n_batch = setup.n_batch
    half_batch = n_batch // 2
    d_adam = setup.adam(2e-4, d)
    g_adam = setup.adam(2e-4, g)
    frozen = freezer(d)
    y = (torch.arange(2 * half_batch, device=setup.device)[:, None] < half_batch).float()
    fakes = setup.inference(g)
    d_losses = setup.part(lambda real, fake: reported(bce(d(torch.cat([real, fake])), y)))
    g_losses = setup.part(lambda z: reported(bce(d(g(z)), 1)))

    def batch():
        X_real, _ = setup.real(half_batch, 0, 1)
        X_fake = fakes(setup.noise(half_batch))
        d_loss = update(d_adam, d_losses(X_real, X_fake))
        with frozen():
            g_loss = update(g_adam, g_losses(setup.noise(n_batch)))
        return torch.cat([d_loss, g_loss])

    return batch


def update_in_turn(setup, d, g, n_real):
    """Updates of D on n_real real images in [-1, 1], then on as many fakes; one of G on a batch."""
    d = setup.place(d)
    g = setup.place(g)
    d_adam = setup.adam(2e-4, d)
    g_adam = setup.adam(2e-4, g)
    frozen = freezer(d)
    fakes = setup.inference(g)
    d_losses1 = setup.part(lambda real: reported(bce(d(real), 1)))
    d_losses2 = setup.part(lambda fake: reported(bce(d(fake), 0)))
    g_losses = setup.part(lambda z: reported(bce(d(g(z)), 1)))

    def batch():
        X_real, _ = setup.real(n_real, -1, 1)
        d_loss1 = update(d_adam, d_losses1(X_real))
        X_fake = fakes(setup.noise(n_real))
        d_loss2 = update(d_adam, d_losses2(X_fake))
        with frozen():
            g_loss = update(g_adam, g_losses(setup.noise(setup.n_batch)))
        return torch.cat([d_loss1, d_loss2, g_loss])

    return batch


def cifar10_gan(setup):
    """Updates of D on half a batch of real images, then on half a batch of fakes; one of G."""
    d = nn.Sequential(  # image (n, 3, 32, 32) in [-1, 1]
        *(conv(3, 64, 3), leaky_relu(), conv(64, 128, 3, 2), leaky_relu()),  # 128x16x16
        *(conv(128, 128, 3, 2), leaky_relu(), conv(128, 256, 3, 2), leaky_relu()),  # 256x4x4
        *(nn.Flatten(), nn.Dropout(0.4), nn.Linear(4096, 1)),
    )
    g = nn.Sequential(
        *(nn.Linear(100, 4096), leaky_relu(), nn.Unflatten(1, (256, 4, 4))),
        *(conv_transpose(256, 128, 4), leaky_relu()),  # 128x8x8
        *(conv_transpose(128, 128, 4), leaky_relu()),  # 128x16x16
        *(conv_transpose(128, 128, 4), leaky_relu()),  # 128x32x32
        *(conv(128, 3, 3), nn.Tanh()),
    )
    return update_in_turn(setup, d, g, setup.n_batch // 2)


def cgan_mnist(setup):
    """Updates of D on a batch of real images, then on fakes with their labels; one of G."""
    d = nn.Sequential(  # image (n, 784) in [-1, 1]
        *(nn.Linear(784, 512), leaky_relu(), nn.Linear(512, 256), leaky_relu(), nn.Linear(256, 1))
    )
    g = nn.Sequential(
        *(nn.Linear(100, 256), leaky_relu(), batch_norm(256, 1, 0.8)),
        *(nn.Linear(256, 512), leaky_relu(), batch_norm(512, 1, 0.8)),
        *(nn.Linear(512, 1024), leaky_relu(), batch_norm(1024, 1, 0.8)),
        *(nn.Linear(1024, 784), nn.Tanh()),
    )
    d = setup.place(Conditional(784, d))
    g = setup.place(Conditional(100, g))
    d_adam = setup.adam(2e-4, d)
    g_adam = setup.adam(2e-4, g)
    frozen = freezer(d)

    def losses(image, labels, target):
        logits = d(image, labels)
        loss = bce(logits, target)
        accuracy = ((logits > 0) == target).float().mean()
        return reported(loss, loss, accuracy)

    n_batch = setup.n_batch
    fakes = setup.inference(g)
    d_losses1 = setup.part(lambda real, labels: losses(real, labels, 1))
    d_losses2 = setup.part(lambda fake, labels: losses(fake, labels, 0))
    g_losses = setup.part(lambda z, labels: reported(bce(d(g(z, labels), labels), 1)))

    def batch():
        X_real, ix = setup.real(n_batch, -1, 1)
        labels = setup.labels.index_select(0, ix)
        d_report1 = update(d_adam, d_losses1(X_real.flatten(1), labels))
        noise = setup.noise(n_batch)
        new_labels = setup.classes(n_batch)
        d_report2 = update(d_adam, d_losses2(fakes(noise, labels), labels))
        with frozen():
            g_loss = update(g_adam, g_losses(noise, new_labels))
        return torch.cat([(d_report1 + d_report2) / 2, g_loss])

    return batch


def acgan_mnist(setup):
    """Updates of D on half a batch of real images, then on half a batch of fakes; one of G."""
    d = [conv(1, 32, 3, 2), leaky_relu(), nn.Dropout(0.5)]  # image (n, 1, 28, 28) in [-1, 1]
    for n_in, n_out, stride in ((32, 64, 1), (64, 128, 2), (128, 256, 1)):  # 14x14, 7x7, 7x7
        d += [conv(n_in, n_out, 3, stride), batch_norm(n_out, 2), leaky_relu(), nn.Dropout(0.5)]
    d = Heads(nn.Sequential(*d, nn.Flatten()), nn.Linear(12544, 1), nn.Linear(12544, N_CLASSES))
    noise = nn.Linear(100, 18816), nn.ReLU(inplace=True), nn.Unflatten(1, (384, 7, 7))
    label = nn.Embedding(N_CLASSES, 50), nn.Linear(50, 49), nn.Unflatten(1, (1, 7, 7))
    body = nn.Sequential(
        *(conv_transpose(385, 192, 5), batch_norm(192, 2), nn.ReLU(inplace=True)),  # 192x14x14
        *(conv_transpose(192, 1, 5), nn.Tanh()),  # 1x28x28
    )
    g = Joined(nn.Sequential(*noise), nn.Sequential(*label), body)
    d = setup.place(d, stddev=0.02)
    g = setup.place(g, stddev=0.02)
    d_adam = setup.adam(2e-4, d)
    g_adam = setup.adam(2e-4, g)
    frozen = freezer(d)

    def losses(image, labels, target):
        valid, classes = d(image)
        valid_loss = bce(valid, target)
        class_loss = F.cross_entropy(classes.float(), labels)
        return reported(valid_loss + class_loss, valid_loss, class_loss)

    n_batch = setup.n_batch
    half_batch = n_batch // 2
    fakes = setup.inference(g)
    d_losses1 = setup.part(lambda real, labels: losses(real, labels, 1))
    d_losses2 = setup.part(lambda fake, labels: losses(fake, labels, 0))
    g_losses = setup.part(lambda z, labels: losses(g(z, labels), labels, 1))

    def batch():
        X_real, ix = setup.real(half_batch, -1, 1)
        dr = update(d_adam, d_losses1(X_real, setup.labels.index_select(0, ix)))
        noise = setup.noise(half_batch)
        labels = setup.classes(half_batch)
        df = update(d_adam, d_losses2(fakes(noise, labels), labels))
        noise = setup.noise(n_batch)
        labels = setup.classes(n_batch)
        with frozen():
            g_report = update(g_adam, g_losses(noise, labels))
        return torch.cat([dr, df, g_report])

    return batch


def infogan_mnist(setup):
    """One update of D and Q on a batch of real images and a batch of fakes; one of G and Q."""
    trunk = nn.Sequential(  # image (n, 1, 28, 28) in [0, 1]
        *(conv(1, 64, 4, 2), leaky_relu(0.1)),  # 64x14x14
        *(conv(64, 128, 4, 2), batch_norm(128, 2), leaky_relu(0.1), nn.Flatten()),  # 128x7x7
        *(nn.Linear(6272, 1024), batch_norm(1024, 1), leaky_relu(0.1)),
    )
    d = Heads(trunk, nn.Linear(1024, 1), nn.Identity())  # the second output is Q's input
    g = nn.Sequential(
        *(nn.Linear(74, 1024), batch_norm(1024, 1), nn.ReLU(inplace=True)),
        *(nn.Linear(1024, 6272), batch_norm(6272, 1), nn.ReLU(inplace=True)),
        nn.Unflatten(1, (128, 7, 7)),
        *(conv_transpose(128, 64, 4), batch_norm(64, 2), nn.ReLU(inplace=True)),  # 64x14x14
        *(conv_transpose(64, 1, 4), nn.Sigmoid()),  # 1x28x28
    )
    q = nn.Sequential(nn.Linear(1024, 128), batch_norm(128, 1), leaky_relu(0.1))
    q = Heads(q, nn.Linear(128, N_CLASSES), nn.Linear(128, 2))  # logits of the category, codes
    d = setup.place(d)
    g = setup.place(g)
    q = setup.place(q)
    d_adam = setup.adam(2e-4, d, q)
    g_adam = setup.adam(1e-3, g, q)
    frozen = freezer(d)
    n_batch = setup.n_batch
    one_hot = torch.eye(N_CLASSES, device=setup.device)

    def latent_points():
        noise = setup.noise(n_batch, 62)
        category = setup.classes(n_batch)
        codes = torch.rand(n_batch, 2, device=setup.device) * 2 - 1
        return torch.cat([noise, one_hot.index_select(0, category), codes], 1), category, codes

    def q_losses(x, category, codes):
        seen_category, seen_codes = q(x)
        ce = F.cross_entropy(seen_category.float(), category)
        return ce, F.mse_loss(seen_codes.float(), codes)

    def d_losses(real, fake, category, codes):
        real, x = d(real)
        q(x)  # for the running averages of Q's BatchNormalization
        fake, x = d(fake)
        d_real = bce(real, 1)
        d_fake = bce(fake, 0)
        q_category, q_codes = q_losses(x, category, codes)
        return reported(d_real + d_fake + (q_category + q_codes), d_real, d_fake)

    def g_losses(z, category, codes):
        fake, x = d(g(z))
        g_loss = bce(fake, 1)
        q_category, q_codes = q_losses(x, category, codes)
        return reported(g_loss + q_category + q_codes, g_loss, q_category, q_codes)

    fakes = setup.inference(g)
    d_losses = setup.part(d_losses)
    g_losses = setup.part(g_losses)

    def batch():
        X_real, _ = setup.real(n_batch, 0, 1)
        z, category, codes = latent_points()
        d_report = update(d_adam, d_losses(X_real, fakes(z), category, codes))
        with frozen():
            g_report = update(g_adam, g_losses(*latent_points()))
        return torch.cat([d_report, g_report])

    return batch


def ebgan_mnist(setup, margin=10.0, pt_weight=0.1):
    """One update of D on a batch of real images and a batch of fakes, one of G."""
    code = nn.Sequential(nn.Linear(784, 512), nn.ReLU(inplace=True))
    d = Heads(code, nn.Linear(512, 784), nn.Identity())  # image (n, 784) in [0, 1] -> copy, code
    g = nn.Sequential(
        *(nn.Linear(100, 256), batch_norm(256, 1, 0.8), leaky_relu()),
        *(nn.Linear(256, 512), batch_norm(512, 1, 0.8), leaky_relu()),
        *(nn.Linear(512, 1024), batch_norm(1024, 1, 0.8), leaky_relu()),
        *(nn.Linear(1024, 784), nn.Sigmoid()),
    )
    d = setup.place(d)
    g = setup.place(g)
    n_batch = setup.n_batch
    d_adam = setup.adam(1e-3, d)
    g_adam = setup.adam(1e-3, g)
    frozen = freezer(d)

    def energies(image):
        copy, code = d(image)
        square = (copy.float() - image.float()).square().sum(1)
        return torch.sqrt(square + 1e-8), code

    def d_losses(real, fake):
        energy, _ = energies(torch.cat([real, fake]))
        real, fake = energy.chunk(2)
        d_real = real.mean()
        d_fake = F.relu(margin - fake).mean()
        return reported(d_real + d_fake, d_real, d_fake)

    def g_losses(z):
        energy, codes = energies(g(z))
        with torch.autocast(codes.device.type, enabled=False):  # float32, as in the script
            codes = F.normalize(codes.float())
            cosines2 = (codes @ codes.T).square()
        # the pulling-away term is the mean over the pairs of different images
        pt = (cosines2.sum() - cosines2.diagonal().sum()) / (n_batch * (n_batch - 1))
        return reported(energy.mean() + pt_weight * pt, energy.mean(), pt)

    fakes = setup.inference(g)
    d_losses = setup.part(d_losses)
    g_losses = setup.part(g_losses)

    def batch():
        X_real, _ = setup.real(n_batch, 0, 1)
        X_fake = fakes(setup.noise(n_batch))
        d_report = update(d_adam, d_losses(X_real.flatten(1), X_fake))
        with frozen():
            g_report = update(g_adam, g_losses(setup.noise(n_batch)))
        return torch.cat([d_report, g_report])

    return batch


def mlp_gan(setup, real_target=0.9):
    """One update of D on a batch of real images and a batch of fakes, one of G."""
    d = nn.Sequential(  # image (n, 784) in [-1, 1]
        *(nn.Linear(784, 1024), leaky_relu(), nn.Dropout(0.3)),
        *(nn.Linear(1024, 512), leaky_relu(), nn.Dropout(0.3)),
        *(nn.Linear(512, 256), leaky_relu(), nn.Linear(256, 1)),
    )
    g = nn.Sequential(
        *(nn.Linear(100, 256), leaky_relu(), nn.Linear(256, 512), leaky_relu()),
        *(nn.Linear(512, 1024), leaky_relu(), nn.Linear(1024, 784), nn.Tanh()),
    )
    d = setup.place(d)
    g = setup.place(g)
    n_batch = setup.n_batch
    d_adam = setup.adam(2e-4, d)
    g_adam = setup.adam(1e-3, g, beta_1=0.9)
    frozen = freezer(d)

    def d_losses(real, fake):
        real, fake = d(torch.cat([real, fake])).chunk(2)
        d_real = bce(real, real_target)
        d_fake = bce(fake, 0)
        return reported((d_real + d_fake) / 2, d_real, d_fake)

    fakes = setup.inference(g)
    d_losses = setup.part(d_losses)
    g_losses = setup.part(lambda z: reported(bce(d(g(z)), 1)))

    def batch():
        X_real, _ = setup.real(n_batch, -1, 1)
        X_fake = fakes(setup.noise(n_batch))
        d_report = update(d_adam, d_losses(X_real.flatten(1), X_fake))
        with frozen():
            g_loss = update(g_adam, g_losses(setup.noise(n_batch)))
        return torch.cat([d_report, g_loss])

    return batch


def colour_gan(setup):
    """Updates of D on a batch of real images, then on a batch of fakes; one of G."""
    d = nn.Sequential(  # image (n, 3, 32, 32), or (n, 3072), in [-1, 1]
        *(nn.Flatten(), nn.Linear(3072, 512), leaky_relu()),
        *(nn.Linear(512, 256), leaky_relu(), nn.Linear(256, 1)),
    )
    g = nn.Sequential(
        *(nn.Linear(100, 256), leaky_relu(), batch_norm(256, 1, 0.8)),
        *(nn.Linear(256, 512), leaky_relu(), batch_norm(512, 1, 0.8)),
        *(nn.Linear(512, 1024), leaky_relu(), batch_norm(1024, 1, 0.8)),
        *(nn.Linear(1024, 3072), nn.Tanh()),
    )
    return update_in_turn(setup, d, g, setup.n_batch)


def infogan_labelled(setup):
    """One update of D on a batch of real images and one of fakes with their labels, one of G."""
    trunk = nn.Sequential(  # image (n, 1, 28, 28) in [0, 1]
        *(conv(1, 64, 4, 2), leaky_relu(0.01), conv(64, 128, 4, 2), leaky_relu(0.01)),  # 128x7x7
        *(nn.Flatten(), nn.Linear(6272, 1024), leaky_relu(0.01)),
    )
    shared = nn.Sequential(nn.Linear(1024, 128), leaky_relu(0.01))
    codes = nn.Sequential(nn.Linear(128, 2), nn.Sigmoid())
    d = Heads(trunk, nn.Linear(1024, 1), Heads(shared, nn.Linear(128, N_CLASSES), codes))
    g = []
    for n_in, n_out in ((50, 1024), (1024, 6272)):
        g += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True)]
        g += [batch_norm(n_out, 1, scale=False), nn.ReLU(inplace=True)]
    g = nn.Sequential(
        *(*g, nn.Unflatten(1, (128, 7, 7))),
        *(conv_transpose(128, 64, 4), batch_norm(64, 2, scale=False), nn.ReLU(inplace=True)),
        *(conv_transpose(64, 1, 4), nn.Sigmoid()),  # 1x28x28
    )
    d = setup.place(d)
    g = setup.place(g)
    n_batch = setup.n_batch
    d_adam = setup.adam(1e-4, d, beta_1=0.9)
    g_adam = setup.adam(1e-3, g, beta_1=0.9)
    frozen = freezer(d)
    one_hot = torch.eye(N_CLASSES, device=setup.device)

    def latent_points(labels):
        codes = setup.noise(n_batch, 2)
        return torch.cat(
            [one_hot.index_select(0, labels), codes, setup.noise(n_batch, 38)], 1
        ), codes

    def losses(image, target, labels, codes):
        valid, (classes, found) = d(image)
        class_loss = F.cross_entropy(classes.float(), labels)
        return bce(valid, target), class_loss, F.mse_loss(found.float(), codes)

    def d_losses(real, fake, labels, codes):
        d_real, cr, _ = losses(real, 1, labels, codes)
        d_fake, cf, con = losses(fake, 0, labels, codes)
        d_loss = (d_real + d_fake) / 2
        return reported(d_loss + (cf + cr) / 2 + con, d_loss, cf, cr, con)

    def g_losses(z, labels, codes):
        g_loss, cf, con = losses(g(z), 1, labels, codes)
        return reported(g_loss + cf / 2 + con, g_loss)

    fakes = setup.inference(g, training=True)
    d_losses = setup.part(d_losses)
    g_losses = setup.part(g_losses)

    def batch():
        X_real, ix = setup.real(n_batch, 0, 1)
        labels = setup.labels.index_select(0, ix)
        z, codes = latent_points(labels)
        d_report = update(d_adam, d_losses(X_real, fakes(z), labels, codes))
        z, codes = latent_points(labels)
        with frozen():
            g_loss = update(g_adam, g_losses(z, labels, codes))
        return torch.cat([d_report[:1], g_loss, d_report[1:]])

    return batch


def faces_gan(setup):
    """Updates of D on half a batch of real images, then on half a batch of fakes; one of G."""
    d = [conv(3, 128, 5), leaky_relu()]  # image (n, 3, 80, 80) in [-1, 1]
    for _ in range(4):  # 40x40, 20x20, 10x10, 5x5
        d += [conv(128, 128, 5, 2), leaky_relu()]
    d = nn.Sequential(*d, nn.Flatten(), nn.Dropout(0.4), nn.Linear(3200, 1))
    g = [nn.Linear(100, 3200), leaky_relu(), nn.Unflatten(1, (128, 5, 5))]
    for _ in range(4):  # 10x10, 20x20, 40x40, 80x80
        g += [conv_transpose(128, 128, 4), leaky_relu()]
    g = nn.Sequential(*g, conv(128, 3, 5), nn.Tanh())
    return update_in_turn(setup, d, g, setup.n_batch // 2)


def make_peer(
    name,
    images,
    labels,
    n_batch,
    device="cpu",
    channels_last=False,
    compiled=False,
    precision="float32",
    graphed=False,
    n_weights=None,
):
    """Build a GAN and the function that trains it.

    Args:
        name: of the script, and of the function above that builds its peer.
        images: uint8 (n, height, width, channels), a NumPy array.
        labels: whole numbers (n,), or None where the script reads none.
        n_batch: the script's batch size.
        channels_last: the layout of the images and of the convolutions.
        compiled: use torch.compile; the first batch then compiles.
        precision: "float32" (on a GPU with TF32), or "bfloat16" by autocast.
        graphed: on a GPU, train three batches and capture the next in a CUDA graph, for replay.
        n_weights: how many numbers the script trains. Another count here is an AssertionError.

    Returns:
        batch(): trains one batch and returns its losses, in the order of the script's LOSSES,
        float32 (k,) on the device; it does not wait for the device. With `graphed` each call
        overwrites the tensor that the calls before it returned.
    """
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True  # shapes never change: find the fastest kernels once
    if compiled:
        torch._dynamo.config.recompile_limit = 64  # the limit is per function; peers share some
    torch.manual_seed(1)
    setup = Setup(images, labels, n_batch, device, channels_last, compiled, precision, graphed)
    batch = globals()[name](setup)
    trained = set()
    for adam in setup.optimizers:
        for group in adam.param_groups:
            trained.update(group["params"])
    count = sum(p.numel() for p in trained)
    assert n_weights in (None, count), f"{name}: {count} weights, not the script's {n_weights}"
    return capture(batch, setup.optimizers) if graphed else batch


def capture(batch, optimizers):
    """Capture a batch in a CUDA graph; return the function that replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # what is set up only once must not be part of the graph
        for _ in range(3):
            batch()
    torch.cuda.current_stream().wait_stream(stream)
    for optimizer in optimizers:
        optimizer.zero_grad()  # the captured batch allocates them in the graph's own memory
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        losses = batch()

    def replay():  # random numbers are fresh: the graph reads the default generator's state
        graph.replay()
        return losses

    return replay
