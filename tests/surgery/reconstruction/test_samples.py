from hypothesis import given
from hypothesis import strategies as st

from engine.surgery.reconstruction.samples import SAMPLES, samples_of


def test_the_usual_number_of_images_has_the_usual_samples():
    assert samples_of(0, 2_000) == samples_of(16, 2_000) == samples_of(1_024, 2_000) == SAMPLES


def test_more_images_have_more_samples_as_far_as_memory_allows():
    assert samples_of(4_096, 2_000) == 65_536
    assert samples_of(4_096, 26_560) == SAMPLES
    assert samples_of(1_000_000, 2_000) == 134_217


@given(images=st.integers(0, 1_000_000), outputs=st.integers(0, 100_000))
def test_samples_beyond_the_usual_take_a_gibibyte_at_most(images: int, outputs: int):
    samples = samples_of(images, outputs)
    assert samples >= SAMPLES
    assert samples == SAMPLES or 4 * samples * outputs <= 1 << 30
