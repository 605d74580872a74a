# Language level, warnings, sanitizers, ccache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)
# Release keeps assertions: a broken invariant must stop a medical score, not change it.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()

# The flags of our own code only; installed consumers do not inherit them.
add_library(salus_warnings INTERFACE)
target_compile_options(salus_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Werror=return-type;-Werror=switch;-Wno-unused-parameter>)

if(SALUS_SANITIZE)
  add_compile_options(-fsanitize=${SALUS_SANITIZE} -fno-omit-frame-pointer -g1 -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SALUS_SANITIZE})
endif()
