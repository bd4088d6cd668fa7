#define ISA portable
#define ISA_NAME "portable"
#define ISA_VECTOR "vector_portable.h"
#define ISA_SUPPORTED true

#include "kernels.h"
