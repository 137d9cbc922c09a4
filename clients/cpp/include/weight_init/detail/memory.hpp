/// @file
/// Large memory that is about to be filled.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace weight_init::detail {

/// Ask the system for huge pages, of which 64 MiB need 32 and not 16,384: to give out pages takes longer than to fill them. The system
/// may decline; nothing depends on it.
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
