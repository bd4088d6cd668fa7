#include "processor.h"

#define ISA avx2
#define ISA_NAME "avx2"
#define ISA_VECTOR "vector_avx2.h"
#define ISA_SUPPORTED spacy_rnn::has_avx2()

#include "kernels.h"
