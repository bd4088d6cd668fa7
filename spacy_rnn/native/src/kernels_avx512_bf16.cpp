#include "processor.h"

#define ISA avx512_bf16
#define ISA_NAME "avx512_bf16"
#define ISA_VECTOR "vector_avx512.h"
#define ISA_SUPPORTED spacy_rnn::has_avx512_bf16()
#define ISA_BFLOAT16 avx512

#include "kernels.h"
