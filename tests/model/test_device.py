from __future__ import annotations

import pytest
import torch

from model.device import resolve_device, steady_products


def test_the_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("name", "cause"), [("bogus", "no device 'bogus'"), ("cuda:99", "not on this machine")]
)
def test_a_device_that_is_not_there_is_named(name: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        resolve_device(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_steady_products_are_the_same_in_any_batch_and_leave_settings_as_they_were() -> None:
    def settings() -> tuple[object, ...]:
        products = torch.backends.cuda.matmul
        return (
            torch.backends.cuda.preferred_blas_library(),
            products.allow_bf16_reduced_precision_reduction,
            products.allow_bf16_reduced_precision_reduction_split_k,
            torch.backends.cuda.flash_sdp_enabled(),
        )

    before = settings()
    x = torch.randn(16, 128, 3072, device="cuda").bfloat16()  # whose sums are split when alone
    weight = torch.randn(768, 3072, device="cuda").bfloat16()
    q = torch.randn(16, 12, 512, 64, device="cuda").bfloat16()  # which flash attention splits
    with steady_products():
        product, attended = x @ weight.mT, torch.nn.functional.scaled_dot_product_attention(q, q, q)
        assert torch.equal(x[:1] @ weight.mT, product[:1])
        alone = torch.nn.functional.scaled_dot_product_attention(q[3:4], q[3:4], q[3:4])
        assert torch.equal(alone, attended[3:4])
    assert settings() == before
