# How a folder becomes a library and its tests.

# salus_library(name [TORCH] [LIBS ...]): a static library of every .cpp in the current folder,
# known to others as salus::name. A folder still without sources becomes an interface library.
function(salus_library name)
  cmake_parse_arguments(ARG "TORCH" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  if(sources)
    add_library(salus_${name} STATIC ${sources})
    target_link_libraries(salus_${name} PUBLIC ${ARG_LIBS} PRIVATE $<BUILD_INTERFACE:salus_warnings>)
    target_include_directories(salus_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
      $<INSTALL_INTERFACE:include/salus>)
    if(ARG_TORCH)
      salus_use_torch_header(salus_${name})
    endif()
  else()
    add_library(salus_${name} INTERFACE)
    target_link_libraries(salus_${name} INTERFACE ${ARG_LIBS})
    target_include_directories(salus_${name} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  endif()
  add_library(salus::${name} ALIAS salus_${name})
endfunction()

# torch/torch.h costs 20 s a file: one precompiled header, shared by the few targets that need it.
function(salus_use_torch_header target)
  if(NOT TARGET salus_pch)
    file(WRITE ${PROJECT_BINARY_DIR}/salus_pch.cpp "")
    add_library(salus_pch STATIC ${PROJECT_BINARY_DIR}/salus_pch.cpp)
    target_link_libraries(salus_pch PUBLIC salus_torch)
    target_precompile_headers(salus_pch PRIVATE <torch/torch.h>)
  endif()
  target_link_libraries(${target} PUBLIC salus_torch)
  target_precompile_headers(${target} REUSE_FROM salus_pch)
  # It is compiled with -fPIC; g++ ignores it in a source that is compiled with an executable's -fPIE.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()

# salus_test(name [TORCH] SOURCES ... LIBS ...): one GoogleTest binary per folder of tests.
function(salus_test name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LIBS" ${ARGN})
  if(NOT ARG_SOURCES)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} salus_test_support GTest::gmock GTest::gtest
    $<BUILD_INTERFACE:salus_warnings>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(ARG_TORCH)
    salus_use_torch_header(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
