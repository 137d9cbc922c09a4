"""The papers and programs that the schemes, activations and recommendations cite, one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A citation: authors, year, title and where to find it."""

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
KRIZHEVSKY_2010 = Reference("Krizhevsky", 2010, "Convolutional deep belief networks on CIFAR-10", "cs.toronto.edu/~kriz")
HOWARD_2019 = Reference("Howard et al.", 2019, "Searching for MobileNetV3", "arXiv:1905.02244")
BARRON_2017 = Reference("Barron", 2017, "Continuously differentiable exponential linear units", "arXiv:1704.07483")
SO_2021 = Reference("So et al.", 2021, "Primer: searching for efficient transformers for language modeling", "arXiv:2109.08668")
SITZMANN_2020 = Reference(
    "Sitzmann, Martel, Bergman, Lindell, Wetzstein",
    2020,
    "Implicit neural representations with periodic activation functions",
    "arXiv:2006.09661",
)
ZIYIN_2020 = Reference(
    "Ziyin, Hartwig, Ueda", 2020, "Neural networks fail to learn periodic functions and how to fix it", "arXiv:2006.08195"
)
RAMASINGHE_2021 = Reference(
    "Ramasinghe, Lucey",
    2021,
    "Beyond periodicity: towards a unifying framework for activations in coordinate-MLPs",
    "arXiv:2111.15135",
)
DAUPHIN_2016 = Reference("Dauphin et al.", 2016, "Language modeling with gated convolutional networks", "arXiv:1612.08083")
SHAZEER_2020 = Reference("Shazeer", 2020, "GLU variants improve transformer", "arXiv:2002.05202")
PYTORCH_HARDTANH = Reference("PyTorch", None, "torch.nn.Hardtanh", "pytorch.org/docs")
PYTORCH_TANHSHRINK = Reference("PyTorch", None, "torch.nn.Tanhshrink", "pytorch.org/docs")
PYTORCH_SOFTSHRINK = Reference("PyTorch", None, "torch.nn.Softshrink", "pytorch.org/docs")
PYTORCH_HARDSHRINK = Reference("PyTorch", None, "torch.nn.Hardshrink", "pytorch.org/docs")
PYTORCH = Reference("PyTorch", None, "torch.nn.Linear and torch.nn.Conv2d, reset_parameters", "pytorch.org/docs")
LE_2015 = Reference(
    "Le, Jaitly, Hinton", 2015, "A simple way to initialize recurrent networks of rectified linear units", "arXiv:1504.00941"
)
ZAGORUYKO_2017 = Reference(
    "Zagoruyko, Komodakis", 2017, "DiracNets: training very deep neural networks without skip-connections", "arXiv:1706.00388"
)
ZHAO_2021 = Reference(
    "Zhao, Schäfer, Anandkumar", 2021, "ZerO initialization: initializing neural networks with only zeros and ones", "arXiv:2110.12661"
)
LONG_2014 = Reference("Long, Shelhamer, Darrell", 2014, "Fully convolutional networks for semantic segmentation", "arXiv:1411.4038")
JOZEFOWICZ_2015 = Reference("Jozefowicz et al.", 2015, "An empirical exploration of recurrent network architectures", "ICML 2015")
TALLEC_2018 = Reference("Tallec, Ollivier", 2018, "Can recurrent neural networks warp time?", "arXiv:1804.11188")
GU_2020 = Reference("Gu et al.", 2020, "HiPPO: recurrent memory with optimal polynomial projections", "arXiv:2008.07669")
AITKEN_2017 = Reference("Aitken et al.", 2017, "Checkerboard artifact free sub-pixel convolution", "arXiv:1707.02937")
SAXE_2013 = Reference(
    "Saxe, McClelland, Ganguli",
    2013,
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    "arXiv:1312.6120",
)
XIAO_2018 = Reference(
    "Xiao et al.",
    2018,
    "Dynamical isometry and a mean field theory of CNNs: how to train 10,000-layer vanilla convolutional neural networks",
    "arXiv:1806.05393",
)
MARTENS_2010 = Reference("Martens", 2010, "Deep learning via Hessian-free optimization", "ICML 2010")
RADFORD_2019 = Reference(
    "Radford, Wu, Child, Luan, Amodei, Sutskever", 2019, "Language models are unsupervised multitask learners", "OpenAI"
)
TORCHTITAN = Reference("PyTorch", None, "torchtitan, models/llama3, TransformerBlock, depth_init", "github.com/pytorch/torchtitan")
GPT_NEOX = Reference("EleutherAI", None, "GPT-NeoX, megatron/model/init_functions.py", "github.com/EleutherAI/gpt-neox")
CAFFE = Reference("BVLC", None, "Caffe, include/caffe/filler.hpp, XavierFiller", "github.com/BVLC/caffe")
NGUYEN_2019 = Reference(
    "Nguyen, Salazar", 2019, "Transformers without tears: improving the normalization of self-attention", "arXiv:1910.05895"
)
RAFFEL_2019 = Reference(
    "Raffel et al.", 2019, "Exploring the limits of transfer learning with a unified text-to-text transformer", "arXiv:1910.10683"
)
WANG_2022 = Reference("Wang, Ma, Dong, Huang, Zhang, Wei", 2022, "DeepNet: scaling Transformers to 1,000 layers", "arXiv:2203.00555")
WANG_2023 = Reference("Wang et al.", 2023, "Magneto: a foundation Transformer", "ICML 2023")
ZHANG_2019 = Reference("Zhang, Dauphin, Ma", 2019, "Fixup initialization: residual learning without normalization", "arXiv:1901.09321")
HUANG_2020 = Reference(
    "Huang, Pérez, Ba, Volkovs", 2020, "Improving Transformer optimization through better initialization", "ICML, PMLR 119:4475-4483"
)
BACHLECHNER_2020 = Reference(
    "Bachlechner, Majumder, Mao, Cottrell, McAuley",
    2020,
    "ReZero is all you need: fast convergence at large depth",
    "arXiv:2003.04887",
)
DE_2020 = Reference(
    "De, Smith", 2020, "Batch normalization biases residual blocks towards the identity function in deep networks", "arXiv:2002.10444"
)
YANG_2022 = Reference(
    "Yang, Hu et al.",
    2022,
    "Tensor Programs V: tuning large neural networks via zero-shot hyperparameter transfer",
    "arXiv:2203.03466",
)
YANG_2023 = Reference("Yang, Simon, Bernstein", 2023, "A spectral condition for feature learning", "arXiv:2310.17813")
JACOT_2018 = Reference(
    "Jacot, Gabriel, Hongler", 2018, "Neural tangent kernel: convergence and generalization in neural networks", "arXiv:1806.07572"
)
VASWANI_2017 = Reference("Vaswani et al.", 2017, "Attention is all you need", "arXiv:1706.03762")
GU_2023 = Reference("Gu, Dao", 2023, "Mamba: linear-time sequence modeling with selective state spaces", "arXiv:2312.00752")
DAO_2024 = Reference(
    "Dao, Gu",
    2024,
    "Transformers are SSMs: generalized models and efficient algorithms through structured state space duality",
    "arXiv:2405.21060",
)
HU_2021 = Reference("Hu et al.", 2021, "LoRA: low-rank adaptation of large language models", "arXiv:2106.09685")
LIBRARIES = Reference(
    "PyTorch, Keras, Flax",
    None,
    "torch.nn, keras.layers, flax.linen and flax.nnx",
    "github.com/pytorch/pytorch, github.com/keras-team/keras, github.com/google/flax",
)
SUSSILLO_2014 = Reference(
    "Sussillo, Abbott", 2014, "Random walk initialization for training very deep feedforward networks", "arXiv:1412.6558"
)
LIN_2017 = Reference("Lin, Goyal, Girshick, He, Dollár", 2017, "Focal loss for dense object detection", "arXiv:1708.02002")
GOYAL_2017 = Reference("Goyal et al.", 2017, "Accurate, large minibatch SGD: training ImageNet in 1 hour", "arXiv:1706.02677")
