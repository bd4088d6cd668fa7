// What the processor, and the operating system with it, can do.
#pragma once

namespace spacy_rnn {

bool has_avx2();         // with FMA
bool has_avx512();       // F, BW, DQ and VL
bool has_avx512_bf16();

}  // namespace spacy_rnn
