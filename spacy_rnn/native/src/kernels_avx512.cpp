#include "processor.h"

#define ISA avx512
#define ISA_NAME "avx512"
#define ISA_VECTOR "vector_avx512.h"
#define ISA_SUPPORTED spacy_rnn::has_avx512()

#include "kernels.h"
