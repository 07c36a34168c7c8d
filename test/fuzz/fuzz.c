/* libFuzzer's entry; -DTARGET=fuzz_url and so on.  `make fuzz` builds and runs each. */
#include "targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TARGET(data, size);
	return 0;
}
