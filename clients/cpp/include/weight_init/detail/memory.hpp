/// @file
/// Hints to the operating system about large buffers.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace weight_init::detail {

/// Asks the system for huge pages: 64 MiB need 32 of them instead of 16,384 small pages, and allocating pages takes longer than filling
/// them. The system may ignore the request.
inline void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t size) noexcept {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::size_t page = std::size_t{1} << 21U;
    const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(memory) % page) % page;
    if (size >= before + page) {
        madvise(static_cast<char*>(memory) + before, (size - before) / page * page, MADV_HUGEPAGE);
    }
#endif
}

}  // namespace weight_init::detail
