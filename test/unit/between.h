/* assert_in_range is deprecated in cmocka 2, and what follows it is not in cmocka 1. */
#ifndef PYTHIA_TEST_BETWEEN_H
#define PYTHIA_TEST_BETWEEN_H

#define assert_between(value, least, most)                                                                             \
	do                                                                                                                 \
	{                                                                                                                  \
		long long value_ = (long long) (value);                                                                        \
		if (value_ < (long long) (least) || value_ > (long long) (most))                                               \
			fail_msg("%s is %lld, not between %lld and %lld", #value, value_, (long long) (least),                     \
					 (long long) (most));                                                                              \
	} while (0)

#endif
