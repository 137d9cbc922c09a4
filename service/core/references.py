"""The papers that the schemes, activations and recommendations stand on, one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A source: who, when, what and where."""

    authors: str
    year: int | None
    title: str
    where: str

    def __str__(self) -> str:
        year = "" if self.year is None else f" ({self.year})"
        return f"{self.authors}{year}, {self.title}, {self.where}"


LECUN_1998 = Reference("LeCun, Bottou, Orr, Müller", 1998, "Efficient BackProp", "doi:10.1007/3-540-49430-8_2")
GLOROT_2010 = Reference(
    "Glorot, Bengio", 2010, "Understanding the difficulty of training deep feedforward neural networks", "AISTATS, PMLR 9:249-256"
)
ALEXNET_2012 = Reference(
    "Krizhevsky, Sutskever, Hinton", 2012, "ImageNet classification with deep convolutional neural networks", "NIPS 2012"
)
HE_2015 = Reference(
    "He, Zhang, Ren, Sun",
    2015,
    "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    "arXiv:1502.01852",
)
CLEVERT_2015 = Reference(
    "Clevert et al.",
    2015,
    "Fast and accurate deep network learning by exponential linear units (ELUs)",
    "arXiv:1511.07289",
)
HENDRYCKS_2016 = Reference("Hendrycks, Gimpel", 2016, "Gaussian error linear units (GELUs)", "arXiv:1606.08415")
KLAMBAUER_2017 = Reference("Klambauer, Unterthiner, Mayr, Hochreiter", 2017, "Self-normalizing neural networks", "arXiv:1706.02515")
RAMACHANDRAN_2017 = Reference("Ramachandran, Zoph, Le", 2017, "Searching for activation functions", "arXiv:1710.05941")
MISRA_2019 = Reference("Misra", 2019, "Mish: a self regularized non-monotonic activation function", "arXiv:1908.08681")
MAAS_2013 = Reference("Maas, Hannun, Ng", 2013, "Rectifier nonlinearities improve neural network acoustic models", "ICML 2013")
GLOROT_2011 = Reference("Glorot, Bordes, Bengio", 2011, "Deep sparse rectifier neural networks", "AISTATS, PMLR 15:315-323")
GOODFELLOW_2016 = Reference("Goodfellow, Bengio, Courville", 2016, "Deep learning, section 8.4", "deeplearningbook.org")
PYTORCH = Reference("PyTorch", None, "torch.nn.Linear and torch.nn.Conv2d, reset_parameters", "pytorch.org/docs")
